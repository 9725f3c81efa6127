"""The same application with each framework, as its documentation would write it.

    GET  /                              a constant
    GET  /archive/{year}?q=…&page=…     a number in the path, a text and a number in the query: given back
    POST /notes                         a note, checked, given back
    GET  /notes                         a hundred notes, that are there
    GET  /things0/{id} …                as many routes as are wanted, each with a number, that is given back

A note has a title of 1 to 100 characters, a text, tags (texts), and a priority from 0 to 5. Where a framework
validates by itself, that is what it does; the others are given msgspec, by hand.
"""
