// Fields made from schemas. A field has an element, a value (undefined: not sent), and a place for what is
// wrong with it; those that have others inside know which one a path leads to.

import { given, sample } from "./sample.js";
import { alternatives, isNullable, kindOf, nameOf, plainSchema, typeLabel } from "./schema.js";
import { el, icon, unique } from "./dom.js";

/**
 * A field.
 *
 * written: the schema, as it stands in the document.
 * options: {name, required, initial, inBody, param, deprecated, bare, root}. `inBody`: an empty text that is required is sent as
 *     one; `param`: it is a parameter; `bare`: its name is said to screen readers only; `root`: it stands alone.
 */
export function field(context, written, options) {
  const { document } = context;
  const members = alternatives(document, written);
  const nullable = isNullable(document, written);
  const chosen = { context, written, nullable, ...options };
  if (!members.length) return new ConstField({ ...chosen, constant: null });
  if (members.length > 1) return compound(UnionField, { ...chosen, members });
  const schema = { ...plainSchema(document, members[0]), ...described(plainSchema(document, written)) };
  chosen.schema = schema;
  switch (kindOf(document, schema)) {
    case "const": return new ConstField({ ...chosen, constant: schema.const });
    case "enum": return new ChoiceField(chosen);
    case "boolean": return new BooleanField(chosen);
    case "integer":
    case "number": return new NumberField(chosen);
    case "string": return new TextField(chosen);
    case "file": return new FileField(chosen);
    case "array": {
      const items = plainSchema(document, schema.items);
      if (kindOf(document, items) === "file") return new FileField({ ...chosen, several: true });
      return schema.prefixItems ? new JSONField(chosen) : compound(ListField, chosen);
    }
    case "object": return schema.properties ? compound(ObjectField, chosen) : compound(MapField, chosen);
    default: return new JSONField(chosen);
  }
}

const described = ({ description, title, default: preset }) =>
  Object.fromEntries(Object.entries({ description, title, default: preset }).filter(([, value]) => value !== undefined));

/** What has fields inside is made when it is needed: an optional one when somebody asks for it. */
function compound(Kind, options) {
  if (options.root || (options.required && !options.nullable)) return new Kind(options);
  return new OptionalField(Kind, options, options.initial !== undefined && options.initial !== null);
}

class Field {
  constructor(options) {
    Object.assign(this, options);
    this.id = unique("field");
    this.error = el("p.field-error", { id: `${this.id}-error`, hidden: true });
    this.children = new Map();
  }

  changed() {
    this.tell("");
    this.context.changed();
  }

  /** Say what is wrong. */
  tell(message) {
    this.error.textContent = message;
    this.error.hidden = !message;
    const control = this.control;
    if (control) message ? control.setAttribute("aria-invalid", "true") : control.removeAttribute("aria-invalid");
  }

  /** The field that a path leads to, or the last one on the way there. */
  at(path) {
    const child = path.length ? this.children.get(String(path[0])) : undefined;
    return child ? child.at(path.slice(1)) : this;
  }

  focus() {
    (this.control ?? this.element.querySelector("input, select, textarea, button"))?.focus();
  }

  clear() {
    this.tell("");
    for (const child of this.children.values()) child.clear();
  }

  label() {
    const type = typeLabel(this.context.document, this.written);
    return el(this.bare ? "label.unseen" : "label.field-label", { htmlFor: this.id },
      el("span.name", {}, this.name), " ",
      el("span.type", {}, type), " ",
      this.required && el("span.required", {}, "required"),
      this.deprecated && el("span.warning", {}, "deprecated"));
  }

  legend() {
    return el(this.bare ? "legend.unseen" : "legend.field-label", {},
      el("span.name", {}, this.name), " ", el("span.type", {}, typeLabel(this.context.document, this.written)));
  }

  /** Label, control, error; and a button for null where that is allowed. */
  wrap(control) {
    this.control = control;
    control.id = this.id;
    control.setAttribute("aria-describedby", this.error.id);
    const line = el("div.control", {}, control);
    if (this.nullable && !this.param) {
      this.none = el("button.chip", { type: "button", "aria-pressed": String(this.initial === null), title: "Send null" }, "null");
      const press = (pressed) => {
        this.none.setAttribute("aria-pressed", String(pressed));
        control.disabled = pressed;
        this.changed();
      };
      this.none.addEventListener("click", () => press(this.none.getAttribute("aria-pressed") !== "true"));
      control.disabled = this.none.getAttribute("aria-pressed") === "true";
      line.append(this.none);
    }
    return el("div.field", {}, this.label(), line, this.error);
  }

  get isNull() {
    return this.none?.getAttribute("aria-pressed") === "true";
  }
}

class TextField extends Field {
  constructor(options) {
    super(options);
    const { schema, initial } = this;
    const long = (schema.maxLength ?? 0) > 200 || String(initial ?? "").includes("\n") || (schema.contentMediaType && this.inBody);
    const own = { date: "date", password: "password" }[schema.format];
    const properties = {
      value: initial ?? "", autocomplete: "off", spellcheck: false, oninput: () => this.changed(),
      placeholder: String(schema.default ?? (this.required ? undefined : given(this.context.document, schema)) ?? ""),
    };
    this.element = this.wrap(long ? el("textarea", { rows: 3, ...properties }) : el("input", { type: own ?? "text", ...properties }));
  }

  read() {
    if (this.isNull) return null;
    const { value } = this.control;
    return value === "" && !(this.required && this.inBody) ? undefined : value;
  }
}

class NumberField extends Field {
  constructor(options) {
    super(options);
    this.element = this.wrap(el("input", {
      type: "text", inputMode: this.schema.type === "integer" ? "numeric" : "decimal", autocomplete: "off",
      value: this.initial ?? "", placeholder: String(this.schema.default ?? ""), oninput: () => this.changed(),
    }));
  }

  /** What isn't a number is sent as it is: the server says what is wrong. */
  read() {
    if (this.isNull) return null;
    const text = this.control.value.trim();
    if (text === "") return undefined;
    const number = Number(text);
    return Number.isFinite(number) && !(Number.isInteger(number) && !Number.isSafeInteger(number)) ? number : text;
  }
}

class ChoiceField extends Field {
  constructor(options) {
    super(options);
    this.choices = this.schema.enum.filter((each) => each !== null);
    const optional = !this.required || this.initial === undefined;
    const select = el("select", { onchange: () => this.changed() },
      optional && el("option", { value: "" }, this.schema.default === undefined ? "–" : `– (${this.schema.default})`),
      ...this.choices.map((each, index) => el("option", { value: String(index) }, String(each))));
    this.element = this.wrap(select);
    const at = this.choices.indexOf(this.initial);
    select.value = at < 0 ? (optional ? "" : "0") : String(at);
  }

  read() {
    if (this.isNull) return null;
    return this.control.value === "" ? undefined : this.choices[Number(this.control.value)];
  }
}

class BooleanField extends ChoiceField {
  constructor(options) {
    super({ ...options, schema: { ...options.schema, enum: [true, false] } });
  }
}

class ConstField extends Field {
  constructor(options) {
    super(options);
    this.element = el("p.field", {}, el("span.name", {}, this.name), " ", el("code.constant", {}, JSON.stringify(this.constant)), this.error);
  }

  read() {
    return this.constant;
  }
}

class FileField extends Field {
  constructor(options) {
    super(options);
    const accept = plainSchema(this.context.document, this.schema.items ?? this.schema).contentMediaType;
    this.element = this.wrap(el("input", {
      type: "file", multiple: Boolean(this.several), onchange: () => this.changed(),
      accept: accept && accept !== "application/octet-stream" ? accept : undefined,
    }));
  }

  read() {
    const files = [...this.control.files];
    if (!files.length) return undefined;
    return this.several ? files : files[0];
  }
}

/** Any JSON, as text. What isn't JSON is sent as text where the schema lets anything in. */
class JSONField extends Field {
  constructor(options) {
    super(options);
    const text = this.initial === undefined ? "" : JSON.stringify(this.initial, null, 2);
    this.element = this.wrap(el("textarea.mono", {
      rows: Math.min(12, text.split("\n").length + 1), value: text, spellcheck: false, placeholder: "JSON", oninput: () => this.changed(),
    }));
  }

  read() {
    const text = this.control.value.trim();
    if (!text) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      return this.param ? text : undefined;
    }
  }

  changed() {
    super.changed();
    try {
      if (this.control.value.trim()) JSON.parse(this.control.value);
    } catch (error) {
      if (!this.param) this.tell(`Not JSON yet: ${error.message}`);
    }
  }
}

class ObjectField extends Field {
  constructor(options) {
    super(options);
    const required = new Set(this.schema.required);
    for (const [name, written] of Object.entries(this.schema.properties)) {
      if (plainSchema(this.context.document, written).readOnly) continue;
      const value = this.initial?.[name];
      this.children.set(name, field(this.context, written, {
        name, required: required.has(name), initial: value, inBody: true,
        deprecated: plainSchema(this.context.document, written).deprecated,
      }));
    }
    const inside = [...this.children.values()].map((child) => child.element);
    this.element = this.root ? el("div.fields", {}, ...inside, this.error)
      : el("fieldset.group", {}, this.legend(), ...inside, this.error);
  }

  read() {
    const read = [...this.children].map(([name, child]) => [name, child.read()]);
    return Object.fromEntries(read.filter(([, value]) => value !== undefined));
  }
}

class ListField extends Field {
  constructor(options) {
    super(options);
    this.items = el("div.items");
    this.rows = [];
    this.button = el("button.plain.add", { type: "button", onclick: () => this.add(undefined, true) }, icon("plus"), `Add to ${this.name}`);
    this.element = el("fieldset.group", {}, this.legend(), this.items, this.button, this.error);
    for (const value of Array.isArray(this.initial) ? this.initial : []) this.add(value);
  }

  add(value, focus = false) {
    const { context, schema } = this;
    const given = value ?? (focus ? sample(context.document, schema.items) : undefined);
    const made = field(context, schema.items ?? {}, {
      name: `${this.name} ${this.rows.length + 1}`, required: true, initial: given, inBody: true, bare: true,
    });
    const remove = el("button.plain.remove", { type: "button", "aria-label": `Remove ${made.name}` }, icon("close"));
    const row = el("div.item", {}, made.element, remove);
    const entry = { made, row };
    remove.addEventListener("click", () => {
      this.rows.splice(this.rows.indexOf(entry), 1);
      row.remove();
      this.number();
      this.button.focus();
      this.changed();
    });
    this.rows.push(entry);
    this.items.append(row);
    this.number();
    if (focus) {
      made.focus();
      this.changed();
    }
  }

  number() {
    this.children = new Map(this.rows.map(({ made }, index) => [String(index), made]));
  }

  read() {
    const values = this.rows.map(({ made }) => made.read()).filter((value) => value !== undefined);
    return values.length || this.inBody ? values : undefined;
  }
}

/** Members of any name. */
class MapField extends Field {
  constructor(options) {
    super(options);
    this.items = el("div.items");
    this.rows = [];
    this.button = el("button.plain.add", { type: "button", onclick: () => this.add("", undefined, true) }, icon("plus"), "Add a member");
    this.element = el("fieldset.group", {}, this.legend(), this.items, this.button, this.error);
    for (const [name, value] of Object.entries(this.initial ?? {})) this.add(name, value);
  }

  add(name, value, focus = false) {
    const { context, schema } = this;
    const of = typeof schema.additionalProperties === "object" ? schema.additionalProperties : {};
    const made = field(context, of, { name: "value", required: true, initial: value, inBody: true, bare: true });
    const key = el("input.key", { type: "text", value: name, placeholder: "name", "aria-label": `Name of a member of ${this.name}`, oninput: () => this.changed() });
    const remove = el("button.plain.remove", { type: "button", "aria-label": "Remove the member" }, icon("close"));
    const row = el("div.item.pair", {}, key, made.element, remove);
    const entry = { key, made };
    remove.addEventListener("click", () => {
      this.rows.splice(this.rows.indexOf(entry), 1);
      row.remove();
      this.changed();
    });
    this.rows.push(entry);
    this.items.append(row);
    if (focus) {
      key.focus();
      this.changed();
    }
  }

  at(path) {
    const row = this.rows.find(({ key }) => key.value === path[0]);
    return row ? row.made.at(path.slice(1)) : this;
  }

  read() {
    return Object.fromEntries(this.rows.filter(({ key }) => key.value).map(({ key, made }) => [key.value, made.read()]));
  }
}

/** One of several schemas. */
class UnionField extends Field {
  constructor(options) {
    super(options);
    const { document } = this.context;
    const select = el("select", { id: this.id, "aria-describedby": this.error.id, "aria-label": `Kind of ${this.name}` },
      ...this.members.map((each, index) => el("option", { value: String(index) }, nameOf(each) ?? typeLabel(document, each))));
    this.control = select;
    this.place = el("div.variant");
    select.addEventListener("change", () => {
      this.choose(sample(document, this.members[Number(select.value)]));
      this.changed();
    });
    select.value = String(this.fitting(this.initial));
    this.choose(this.initial ?? (this.required ? sample(document, this.members[0]) : undefined));
    this.element = this.root ? el("div.fields", {}, el("div.control", {}, select), this.place, this.error)
      : el("fieldset.group", {}, this.legend(), el("div.control", {}, select), this.place, this.error);
  }

  /** Which member a value is of, as far as can be told: by constants first, then by names, then by type. */
  fitting(value) {
    if (value === undefined || value === null) return 0;
    const { document } = this.context;
    const type = Array.isArray(value) ? "array" : typeof value;
    const scores = this.members.map((member) => {
      const schema = plainSchema(document, member);
      const kind = kindOf(document, schema);
      if (kind !== "object") return kind === type || (type === "number" && kind === "integer") ? 1 : 0;
      if (type !== "object") return 0;
      return Object.entries(schema.properties ?? {}).reduce((sum, [name, each]) => {
        const { const: constant, enum: choices } = plainSchema(document, each);
        const only = constant ?? (choices?.length === 1 ? choices[0] : undefined);
        if (only !== undefined) return sum + (value[name] === only ? 100 : -100);
        return sum + (name in value ? 1 : 0);
      }, 1);
    });
    return scores.indexOf(Math.max(...scores));
  }

  choose(value) {
    const member = this.members[Number(this.control.value)];
    this.inner = field(this.context, member, { name: this.name, required: true, initial: value, inBody: this.inBody, root: true, bare: true, param: this.param });
    this.place.replaceChildren(this.inner.element);
  }

  at(path) {
    return path.length ? this.inner.at(path) : this;
  }

  clear() {
    super.clear();
    this.inner.clear();
  }

  read() {
    return this.inner.read();
  }
}

/** Something that may be left out, or be null, and has fields inside once it is there. */
class OptionalField extends Field {
  constructor(Kind, options, wanted) {
    super(options);
    this.Kind = Kind;
    this.inner = null;
    this.place = el("div");
    this.button = el("button.plain.add", { type: "button", onclick: () => this.toggle() });
    this.element = el("div.optional", {}, this.place, this.button, this.error);
    this.show(Boolean(wanted), this.initial);
  }

  toggle() {
    this.show(!this.inner, this.inner ? undefined : sample(this.context.document, this.written));
    this.changed();
    (this.inner ?? { focus: () => this.button.focus() }).focus();
  }

  show(there, value) {
    const options = { ...this, required: true, initial: value };
    for (const own of ["id", "error", "children", "element", "Kind", "inner", "place", "button", "control"]) delete options[own];
    this.inner = there ? new this.Kind(options) : null;
    this.place.replaceChildren(...(this.inner ? [this.inner.element] : []));
    this.element.classList.toggle("there", Boolean(there));
    this.button.replaceChildren(...(there ? [icon("close"), "Leave out"]
      : [icon("plus"), el("span.name", {}, this.name), el("span.type", {}, typeLabel(this.context.document, this.written))]));
    this.button.setAttribute("aria-label", there ? `Leave out ${this.name}` : `Add ${this.name}`);
    this.button.hidden = Boolean(this.root);
  }

  at(path) {
    return this.inner ? this.inner.at(path) : this;
  }

  clear() {
    super.clear();
    this.inner?.clear();
  }

  read() {
    if (this.inner) return this.inner.read();
    return this.nullable && this.required ? null : undefined;
  }
}
