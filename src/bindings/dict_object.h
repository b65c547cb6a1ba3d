// What the files of allcores.Dict share: the Python object, and how its keys and values are passed.
//
// With the GIL of the current interpreter.
#pragma once
#include <Python.h>

#include <memory>

#include "concurrency/shared_table.h"
#include "data/dict_key.h"
#include "data/guarded.h"
#include "data/message_types.h"
#include "data/stored_value.h"

namespace allcores::bindings {

// While a thread waits for a lock, its interpreter's other threads run. (Nobody who has one of
// these locks waits for a GIL.)
class without_gil {
 public:
    without_gil() : state_(PyEval_SaveThread()) {}
    without_gil(const without_gil&) = delete;
    without_gil& operator=(const without_gil&) = delete;
    ~without_gil() { PyEval_RestoreThread(state_); }

 private:
    PyThreadState* state_;
};

using dict_table = concurrency::shared_table<data::stored_value, without_gil>;
using dict_entry = dict_table::held;

// allcores.Dict. Any number of these, in any interpreters, are one table.
struct dict_object {
    PyObject_HEAD std::shared_ptr<dict_table> table;
};

inline dict_table& table_of(PyObject* self) {
    return *reinterpret_cast<dict_object*>(self)->table;
}

// A key that was given, in the form that the table has.
struct given_key {
    data::dict_key encoded;
    concurrency::table_key key;

    explicit given_key(PyObject* object) : encoded(object), key(encoded.bytes()) {}
};

// Nanoseconds of a number of seconds; None: never. Throws python_error (TypeError, ValueError for
// what is not positive).
std::int64_t lifetime_of(PyObject* seconds);

// Throws python_error (KeyError).
[[noreturn]] void raise_missing(PyObject* key);

// All methods, in dict_methods.cpp.
extern PyMethodDef dict_methods[];

// dict[key], dict[key] = value (null: del)
data::ref dict_get_item(PyObject* self, PyObject* key);
void dict_set_item(PyObject* self, PyObject* key, PyObject* value);
data::ref dict_keys(PyObject* self);

}  // namespace allcores::bindings
