// The editor of a body: a form made from the schema, or JSON as text; whichever one likes.

import { isJSON } from "./client.js";
import { el, tabs, unique } from "./dom.js";
import { field } from "./forms.js";
import { given, sample } from "./sample.js";
import { kindOf, plainSchema, alternatives } from "./schema.js";

export class BodyEditor {
  /**
   * content: media type -> media, as in a document.
   * changed: called when something has changed.
   */
  constructor(document, content, { required = true, changed }) {
    Object.assign(this, { document, content, required, context: { document, changed } });
    this.types = Object.keys(content);
    this.place = el("div");
    const id = unique("type");
    this.select = this.types.length > 1
      ? el("select.small", { id, "aria-label": "Media type of the body", onchange: () => { this.take(this.select.value); changed(); } },
        ...this.types.map((type) => el("option", {}, type)))
      : el("code.soft", {}, this.types[0]);
    this.element = el("div.body-editor", {}, this.place);
    this.take(this.types[0]);
  }

  take(type) {
    this.type = type;
    const media = this.content[type];
    this.schema = media.schema ?? {};
    const known = plainSchema(this.document, this.schema);
    const form = /form/.test(type);
    const example = given(this.document, media) ?? (isJSON(type) || form ? sample(this.document, this.schema) : undefined);
    this.field = null;
    this.text = null;
    if (form || (isJSON(type) && this.formable())) {
      const modes = [{ id: "form", label: "Form" }, { id: "json", label: "JSON" }];
      this.showForm(example);
      if (form) return;
      const choice = tabs("How to edit the body", modes, (mode) => this.turn(mode), "form");
      choice.classList.add("modes");
      this.element.prepend(choice);
      this.choice?.remove();
      this.choice = choice;
      return;
    }
    this.choice?.remove();
    this.choice = null;
    if (isJSON(type)) this.showText(JSON.stringify(example, null, 2) ?? "");
    else if (type.startsWith("text/")) this.showText(typeof example === "string" ? example : given(this.document, known) ?? "", true);
    else this.showFile(type);
  }

  formable() {
    const members = alternatives(this.document, this.schema);
    return members.some((each) => kindOf(this.document, each) !== "any");
  }

  /** Between form and text; text that isn't JSON stays where it is. */
  turn(mode) {
    if ((mode === "form") === Boolean(this.field)) return true;
    if (mode === "json") {
      this.showText(JSON.stringify(this.field.read(), null, 2) ?? "");
    } else {
      try {
        this.showForm(this.text.value.trim() ? JSON.parse(this.text.value) : undefined);
      } catch (error) {
        this.complain(`This isn't JSON yet: ${error.message}`);
        this.text.focus();
        return false;
      }
    }
    this.context.changed();
    return true;
  }

  showForm(value) {
    this.text = null;
    this.field = field(this.context, this.schema, {
      name: "body", required: true, initial: value, inBody: true, root: true, bare: false,
    });
    this.place.replaceChildren(this.field.element);
  }

  showText(text, plain = false) {
    this.field = null;
    const error = el("p.field-error", { id: unique("error"), hidden: true });
    this.complain = (message) => {
      error.textContent = message;
      error.hidden = !message;
    };
    this.text = el("textarea.mono", {
      value: text, rows: Math.max(4, Math.min(18, text.split("\n").length + 1)), spellcheck: false,
      "aria-label": "Body", "aria-describedby": error.id,
      oninput: () => { this.complain(""); this.context.changed(); },
    });
    this.plain = plain;
    this.place.replaceChildren(this.text, error);
  }

  showFile(type) {
    this.field = field(this.context, { type: "string", format: "binary", contentMediaType: type }, { name: "body", required: this.required });
    this.place.replaceChildren(this.field.element);
  }

  /** The value of the body; text that isn't JSON is sent as it is, so that one sees what the server says. */
  read() {
    if (this.field) {
      const value = this.field.read();
      const empty = value && typeof value === "object" && !(value instanceof Blob) && !Object.keys(value).length;
      return empty && !this.required ? undefined : value;
    }
    const text = this.text.value;
    if (this.plain || !text.trim()) return text || (this.required && this.plain ? "" : undefined);
    try {
      return JSON.parse(text);
    } catch {
      return new Raw(text);
    }
  }

  /** A value for code: a file that is needed and isn't chosen yet stands there by its name. */
  complete(value) {
    const { document, schema, type } = this;
    const isFile = (each) => kindOf(document, each) === "file" || isFileList(plainSchema(document, each));
    const isFileList = ({ items }) => items !== undefined && kindOf(document, items) === "file";
    if (type.startsWith("multipart/")) {
      const { required = [], properties = {} } = plainSchema(document, schema);
      const missing = required.filter((name) => value?.[name] === undefined && isFile(properties[name]));
      return missing.length ? { ...value, ...Object.fromEntries(missing.map((name) => [name, new File([], name)])) } : value;
    }
    const isWhole = !isJSON(type) && !type.startsWith("text/") && !/form/.test(type);
    return value === undefined && this.required && isWhole ? new File([], "file") : value;
  }

  /** Put `value` into the editor. */
  fill(value) {
    if (this.field) this.showForm(value);
    else this.text.value = JSON.stringify(value, null, 2);
  }

  at(path) {
    return this.field ? this.field.at(path) : { tell: (message) => this.complain([path.join("."), message].filter(Boolean).join(": ")), focus: () => this.text.focus() };
  }

  clear() {
    if (this.field) this.field.clear();
    else this.complain?.("");
  }
}

/** Text that should be JSON and isn't. */
export class Raw {
  constructor(text) {
    this.text = text;
  }
}
