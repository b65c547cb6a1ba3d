// Classes written in Python whose objects the codec writes itself: plain ones, whose objects are
// made of nothing but their attributes, as far as pickle would know them, too.
//
// For src/data/message* only. With the GIL of the interpreter that is meant.
#pragma once
#include "data/frozen_layout.h"
// After CPython's internal headers:
#include <unordered_map>

#include "data/guarded.h"
#include "data/message_body.h"

namespace allcores::data {

// Whether an object of this class is its attributes and no more: nothing says how to pickle it, it
// is made by object.__new__, and it has no slots. Runs no Python code.
bool is_plain_class(PyTypeObject* type);

// Whether an attribute of this name, found in an object's own dict, can be put there by the usual
// way of setting attributes; and is of a kind that is written fast. Runs no Python code.
bool is_plain_attribute(PyTypeObject* type, PyObject* name);

// Where another interpreter finds this very class; null: it does not, or not by a plain name. What
// was found is good until the next call. May run Python code. Throws python_error.
const class_place* place_of_class(PyTypeObject* type);

// What it has found, with the objects to find it again: the current interpreter's, in its table
// (message_types.cpp).
struct known_place {
    ref type;
    class_place place;
    ref module, name;
};
using known_places = std::unordered_map<PyTypeObject*, known_place>;
known_places& places_of_classes();

// The other way: imports it. Throws python_error (ImportError, AttributeError), and TypeError if
// the class is not a plain one here.
ref class_at(const class_place& place);
void require_plain_class(PyObject* found);

}  // namespace allcores::data
