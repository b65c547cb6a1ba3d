// How frozen objects lie in memory: CPython's own layouts, each field that CPython would fill later
// filled before the arena is closed, and a word before an object that remembers what it was frozen
// from (its shape), for thaw.
//
// For src/data only; include it before anything that includes Python.h, since it needs CPython's
// internal headers.
#pragma once
#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#include <Python.h>
#include <internal/pycore_dict.h>

#include <cstddef>
#include <cstdint>

#include "memory/arena.h"
#include "memory/frozen_space.h"

#ifdef Py_GIL_DISABLED
#error "allcores is for the default build of CPython"
#endif

namespace allcores::data {

#if PY_VERSION_HEX >= 0x030F0000
inline constexpr bool has_frozendict = true;
using mapping_object = PyFrozenDictObject;
inline PyTypeObject* mapping_type() {
    return &PyFrozenDict_Type;
}
#else
inline constexpr bool has_frozendict = false;
// types.MappingProxyType (Objects/descrobject.c) and, behind it in the arena, its hash: CPython has
// no place for one.
struct mapping_object {
    PyObject_HEAD PyObject* mapping;
    Py_hash_t hash;
};
inline PyTypeObject* mapping_type() {
    return &PyDictProxy_Type;
}
#endif

// types.MappingProxyType of any version, as far as CPython's own goes.
struct proxy_object {
    PyObject_HEAD PyObject* mapping;
};

struct range_object {
    PyObject_HEAD PyObject* start;
    PyObject* stop;
    PyObject* step;
    PyObject* length;
};

struct gc_head {
    std::uintptr_t next;      // 0: not tracked by any GC
    std::uintptr_t previous;  // free for us while untracked; CPython reads its two lowest bits
                              // only, which stay 0
};
static_assert(sizeof(gc_head) == sizeof(PyGC_Head));

// What an object was before it was frozen. Kept in the word before the object: for types with a GC
// head that is its `previous`; for other types only objects with ob_overflow set have such a word
// (CPython uses ob_overflow only to notice an overflowing count, which an immortal object's never
// does).
enum class shape_kind : std::uintptr_t {
    same = 0,  // the type it has now; for a mapping a dict
    list = 1,
    set = 2,
    bytearray = 3,
    proxy = 4,
    frozendict = 5,
    named_tuple = 6,
    dataclass = 7,
    enumeration = 8,
};
inline constexpr shape_kind first_class_shape = shape_kind::named_tuple;

// For the kinds from first_class_shape on: which class, and for an enumeration which member (None
// for a combination of flags). Strings lie in an arena.
struct class_shape {
    shape_kind kind;
    PyObject* module;
    PyObject* qualified_name;
    PyObject* member;
};

// The word itself: a kind shifted by 4, or the address of a class_shape (16-byte aligned, and far
// above any kind).
using shape_word = std::uintptr_t;

inline shape_word word_of(shape_kind kind) {
    return static_cast<shape_word>(kind) << 4;
}
inline shape_word word_of(const class_shape* shape) {
    return reinterpret_cast<shape_word>(shape);
}

inline shape_word shape_of(PyObject* object) {
    if (!memory::frozen_space::contains(object)) return 0;
    if (!PyType_IS_GC(Py_TYPE(object)) && object->ob_overflow == 0) return 0;
    return reinterpret_cast<shape_word*>(object)[-1];
}
inline const class_shape* class_of(shape_word word) {
    return word >= 4096 ? reinterpret_cast<const class_shape*>(word) : nullptr;
}
inline shape_kind kind_of(shape_word word) {
    const class_shape* shape = class_of(word);
    return shape != nullptr ? shape->kind : static_cast<shape_kind>(word >> 4);
}

// An object that every interpreter may hold as it is: frozen, or one of CPython's own static atoms.
inline bool is_settled(PyObject* object) {
    if (!_Py_IsStaticImmortal(object)) return false;
    if (memory::frozen_space::contains(object)) return true;
    PyTypeObject* type = Py_TYPE(object);
    return type == &PyLong_Type || type == &PyUnicode_Type || type == &PyBool_Type ||
           object == Py_None || type == &PyBytes_Type || type == &PyTuple_Type;
}

// The dict that a frozen mapping reads from: itself on 3.15.
inline PyDictObject* table_of(PyObject* mapping) {
#if PY_VERSION_HEX >= 0x030F0000
    return reinterpret_cast<PyDictObject*>(mapping);
#else
    return reinterpret_cast<PyDictObject*>(reinterpret_cast<mapping_object*>(mapping)->mapping);
#endif
}
inline Py_hash_t& stored_hash(mapping_object* mapping) {
#if PY_VERSION_HEX >= 0x030F0000
    return mapping->ma_hash;
#else
    return mapping->hash;
#endif
}

// The hash of a frozen object, without recursion and without error. `unfinished` for a container
// that is still being frozen (only inside a cycle).
inline constexpr Py_hash_t unfinished = -1;
Py_hash_t hash_of_frozen(PyObject* object);

// Strings and bytes in an arena: how much each takes, and the copy, complete, at memory of that
// size from the arena. The string must be a compact one (as all are but those of an old C
// interface). No Python code runs, nothing is allocated but in the arena. write_str throws
// std::bad_alloc.
std::size_t str_bytes(PyObject* object);
PyObject* write_str(memory::arena& arena, std::byte* at, PyObject* object, shape_word shape);
std::size_t bytes_bytes(std::size_t size);
PyObject* write_bytes(std::byte* at, const char* data, std::size_t size, shape_word shape);

// A plain number of these types in an arena: ints, floats, complex numbers.
bool is_number(PyObject* object);
PyObject* write_number(memory::arena& arena, PyObject* object);

// Fill the hash of a container whose children have theirs, or are part of a cycle with it. What
// CPython can hash gets CPython's own hash; what it can't (cycles, and mappings on 3.14) a hash of
// the structure, so that hash() never recurses.
void fill_tuple_hash(PyTupleObject* tuple);
void fill_mapping_hash(mapping_object* mapping, bool cpython_can);

}  // namespace allcores::data
