// Classes written in Python whose objects the codec writes itself: plain ones, whose objects are
// made of nothing but their attributes, as far as pickle would know them, too; and named tuples.
//
// For src/data/message* only. With the GIL of the interpreter that is meant.
#pragma once
#include "data/frozen_layout.h"
// After CPython's internal headers:
#include <unordered_map>
#include <vector>

#include "data/guarded.h"
#include "data/message_body.h"

namespace allcores::data {

struct slot_place {
    PyObject* name;  // the class's
    Py_ssize_t offset;
};

// Whether an object of this class is its attributes and no more: nothing says how to pickle it, it
// is made by object.__new__, and has a dict or slots, not both. Its slots are put into `slots`.
// Runs no Python code.
bool is_plain_class(PyTypeObject* type, std::vector<slot_place>& slots);

// Most classes that are not plain are sorted out by this.
inline bool may_be_plain(PyTypeObject* type) {
    return PyType_HasFeature(type, Py_TPFLAGS_INLINE_VALUES) ||
           (PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) &&
            !PyType_HasFeature(type, Py_TPFLAGS_MANAGED_DICT) && type->tp_dictoffset == 0 &&
            type->tp_new == PyBaseObject_Type.tp_new &&
            type->tp_setattro == PyObject_GenericSetAttr);
}

// How many elements each object of a class has that collections.namedtuple or typing.NamedTuple
// made, or that only adds methods to such a one; -1: it is another class, or has a __new__ or a way
// to be pickled of its own. Runs no Python code.
std::int64_t fields_of_named_tuple(PyTypeObject* type);

// Whether copyreg has a function that says how objects of a class are pickled.
bool has_registered_reduction(PyTypeObject* type);

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
// the class is not such a one here: plain, or with `fields` >= 0 a named tuple of so many.
ref class_at(const class_place& place, std::int64_t fields);
void require_class(PyObject* found, std::int64_t fields);

}  // namespace allcores::data
