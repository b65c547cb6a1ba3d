// What the files of allcores.share's bindings have in common: the Python objects, and how a call
// goes to the object and back.
//
// With the GIL of the current interpreter.
#pragma once
#include <Python.h>

#include <memory>
#include <span>

#include "data/crossing.h"
#include "data/message_types.h"
#include "data/ref.h"
#include "data/shared_object.h"
#include "interpreter/interpreter.h"

namespace allcores::bindings {

// allcores.Proxy. Any number of these, in any interpreters, are of one object.
struct proxy_object {
    // A method that was asked for, so that asking again does not take a visit. Names are interned,
    // so that one is its address.
    struct known_method {
        PyObject* name;
        PyObject* method;
    };
    static constexpr unsigned most_known = 8;

    PyObject_HEAD std::shared_ptr<data::shared_object> state;
    PyObject* weak_references;
    vectorcallfunc call;
    known_method known[most_known];
    unsigned known_next;  // which is replaced next
};

extern const data::pointer_type proxy_crossing;
extern const data::pointer_type method_crossing;

inline proxy_object* as_proxy(PyObject* self) {
    return reinterpret_cast<proxy_object*>(self);
}
bool is_proxy(PyObject* object);
// The state of what has to be a proxy. Throws python_error (TypeError).
const std::shared_ptr<data::shared_object>& shared_by(PyObject* object);
// New references.
data::ref make_proxy(std::shared_ptr<data::shared_object> state);
data::ref make_method(std::shared_ptr<data::shared_method> state);

// What is done where the object lives, with its home's GIL.
struct errand {
    const std::shared_ptr<data::shared_object>& of;
    PyObject* object;
    // Copies of the arguments (or the very ones, at home); before the first are two places that the
    // callee may use.
    PyObject** values;
    std::size_t count;
    PyObject* names;  // null, or those of the last arguments
    const void* extra;
    data::delivery* out;  // null at home: nothing crosses
};
// The result; or null, if it has put something into `out` itself (at home: nothing more comes out
// of an iterator). Throws python_error.
using deed = data::ref (*)(errand& given);

// Visits the object, and returns what comes of it; null without an exception: an iterator's end.
// `lasting_method` is set for a method that is one of the object's class.
// `self`, a proxy of it, stands for the object itself where that is the result; null: one is made.
// Throws python_error: what was raised there, TypeError for what can't cross, OwnerGone.
data::ref visit(const std::shared_ptr<data::shared_object>& of, PyObject* self, deed what,
                std::span<PyObject* const> values = {}, PyObject* names = nullptr,
                const void* extra = nullptr, bool* lasting_method = nullptr);

// What has been delivered by a visit, in the caller; null: an iterator's end. Throws python_error.
data::ref arrive(data::delivery& result, const interpreter::door& from);

// Takes a hosted object's monitor and waits for that. Throws python_error: RuntimeError where two
// would wait for each other, OwnerGone, what a signal handler raises, SystemExit when this
// interpreter is ending.
void hold(const data::shared_object& hosted);

// A part of a shared object that is to be called where it is. In its home.
std::shared_ptr<data::shared_object> share_part(const data::shared_object& of, PyObject* part);

[[noreturn]] void raise_gone(const interpreter::door& home);

// Calls a function (as allcores._calls.callee() takes it) in another interpreter, on this thread;
// `keywords` may be null. Throws python_error.
data::ref call_there(interpreter::door& where, PyObject* function, PyObject* arguments,
                     PyObject* keywords);

// Whether this is the main thread, in a job that this interpreter's own thread has given it and
// waits for.
bool waits_for_this_thread(const interpreter::interpreter& asker);

// The parts of the module that other files than proxy.cpp add, and the type's slots that others
// fill.
int add_proxy_method(PyObject* module);
extern const PyType_Slot proxy_operators[];  // ends with 0
extern PyMethodDef proxy_methods[];
extern PyGetSetDef proxy_properties[];

// What an attribute named __like_this__ is, where that is the proxy's own; null: it is the
// object's. Throws python_error (AttributeError where it is nobody's).
data::ref special_attribute(PyObject* self, PyObject* name);

template <auto Function>
PyMethodDef fast_method(const char* name) {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(Function)), METH_FASTCALL,
            nullptr};
}

}  // namespace allcores::bindings
