// What the message codec knows of types that are not CPython's static ones: classes of the standard
// library that it writes itself, and classes whose objects cross by pointer. Each interpreter has
// its own table, since it has its own classes.
//
// All functions: with the GIL of the interpreter that is meant.
#pragma once
#include <Python.h>

#include <cstdint>
#include <memory>

namespace allcores::data {

// How objects of a class cross by pointer: channels, queues, proxies, shared containers, whose
// state is outside of every interpreter. One constant for the class, in C++, for all interpreters.
//
//     const pointer_type channel_crossing = {
//         [](PyObject* self) -> std::shared_ptr<void> { return as_channel(self)->state; },
//         [](PyTypeObject* type, std::shared_ptr<void> state) -> PyObject* { ... },
//     };
//     cross_by_pointer(type, &channel_crossing);    // where the type is added to the module
//
// The state must bear being dropped by any thread, with a GIL or without one: an undecoded message
// is. What needs an interpreter for its end has to see to that itself.
struct pointer_type {
    // In the sender. May throw python_error (one that can't be sent any more).
    std::shared_ptr<void> (*state_of)(PyObject* object);
    // In the receiver: a new reference to an object of the receiver's class, or throws
    // python_error. One that is there already for the same state is fine.
    PyObject* (*object_for)(PyTypeObject* type, std::shared_ptr<void> state);
};

// Registers a class of the current interpreter; its objects (not those of derived classes) cross by
// pointer from now on. To be called by whatever adds the class to allcores._core, so that each
// interpreter that has the module can receive what another one sends. Throws python_error,
// std::bad_alloc.
void cross_by_pointer(PyTypeObject* type, const pointer_type* how);

// How objects of a class cross by pointer; null: they don't.
const pointer_type* pointer_type_of(PyTypeObject* type);

// Whether an object crosses neither by the codec nor by pickle, but by its address or by pointer.
bool has_other_way(PyObject* object);

// The current interpreter's class for it, borrowed. Throws python_error (ImportError) when it has
// not been registered.
PyTypeObject* class_for(const pointer_type* how);

// Classes of the standard library that the codec writes itself.
enum class known : std::uint8_t {
    other,
    date,
    time,
    datetime,
    timedelta,
    timezone,
    decimal,
    uuid,
    array,
    name_space,  // types.SimpleNamespace
};

// Which of these a class is; only the very class, not derived ones. Runs no Python code.
known known_type(PyTypeObject* type);

// What is needed to make objects of them, in the current interpreter. Borrowed, and kept until the
// interpreter ends.
struct known_classes {
    void* datetime_api;  // PyDateTime_CAPI
    PyObject* decimal;
    PyObject* uuid;
    PyObject* uuid_safety[3];  // SafeUUID's members: safe, unknown, unsafe
    PyObject* array;
    PyObject* name_space;
};

// Imports what is not imported yet of the known types in a set of bits (1 << known), which runs
// Python code. Throws python_error.
const known_classes& import_known(std::uint32_t which);

// Python strings that are looked up again and again.
enum class name : std::uint8_t {
    typecode,
    frombytes,
    integer,
    is_safe,
    value,
    reduce_ex,
    reduce,
    get_state,
    set_state,
    get_new_arguments,
    get_new_arguments_ex,
    get_attribute,
    dict,
    copyreg,
    dispatch_table,
    create,
    function,
    get_attr,
    dunder_name,
    builtins,
    collections,
    tuple_new,
    namedtuple_prefix,
    namedtuple_arguments,
    count
};
PyObject* name_of(name which);

}  // namespace allcores::data
