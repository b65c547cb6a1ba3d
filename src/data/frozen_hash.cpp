#include <algorithm>
#include <bit>
#include <cstdint>

#include "data/frozen_layout.h"
// After CPython's internal headers:
#include <internal/pycore_tuple.h>

namespace allcores::data {

namespace {

constexpr Py_uhash_t hash_in_cycle = 0x51ed270b9f652295;

Py_uhash_t mixed(Py_uhash_t hash) {
    hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93;
    hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93;
    return hash ^ (hash >> 32);
}

Py_hash_t usable(Py_uhash_t hash) {
    const auto result = static_cast<Py_hash_t>(hash);
    return result == -1 ? -2 : result;
}

Py_uhash_t child_hash(PyObject* object) {
    const Py_hash_t hash = hash_of_frozen(object);
    return hash == unfinished ? hash_in_cycle : static_cast<Py_uhash_t>(hash);
}

// CPython's hash of a finite number m * 2**e: the remainder modulo the prime 2**61 - 1, by which
// multiplying by a power of two is a rotation of 61 bits. The loop in Python/pyhash.c gives the
// same, in ten times the time.
Py_hash_t float_hash(PyObject* object) {
    const double value = reinterpret_cast<PyFloatObject*>(object)->ob_fval;
    const auto bits = std::bit_cast<std::uint64_t>(value);
    const int exponent = static_cast<int>(bits >> 52 & 0x7FF);
    if (exponent == 0x7FF) return PyFloat_Type.tp_hash(object);  // infinite, or not a number
    constexpr int width = PyHASH_BITS;
    constexpr std::uint64_t prime = (std::uint64_t{1} << width) - 1;
    std::uint64_t mantissa = bits & ((std::uint64_t{1} << 52) - 1);
    if (exponent != 0) mantissa |= std::uint64_t{1} << 52;
    // The value is mantissa * 2**(exponent - 1075); 18 * 61 makes that positive.
    const int turn = (std::max(exponent, 1) - 1075 + 18 * width) % width;
    std::uint64_t hash = (mantissa << turn & prime) | mantissa >> (width - turn);
    if ((bits >> 63) != 0) hash = 0 - hash;
    return usable(hash);
}

// The xxHash of Objects/tupleobject.c, over hash_of_frozen: the hash that CPython will compute for
// an equal tuple whose children have these hashes.
Py_hash_t tuple_hash(PyTupleObject* tuple) {
    const Py_ssize_t size = Py_SIZE(tuple);
    Py_uhash_t accumulated = _PyTuple_HASH_XXPRIME_5;
    for (Py_ssize_t i = 0; i < size; i++) {
        accumulated += child_hash(tuple->ob_item[i]) * _PyTuple_HASH_XXPRIME_2;
        accumulated = _PyTuple_HASH_XXROTATE(accumulated);
        accumulated *= _PyTuple_HASH_XXPRIME_1;
    }
    accumulated += static_cast<Py_uhash_t>(size) ^ (_PyTuple_HASH_XXPRIME_5 ^ 3527539ULL);
    if (accumulated == static_cast<Py_uhash_t>(-1)) return 1546275796;
    return static_cast<Py_hash_t>(accumulated);
}

// Equal mappings have equal hashes whatever their order: a sum over the entries. Of a large one
// that would touch all its memory once more, for a hash that hardly anybody will ever ask for: its
// size must do.
Py_hash_t mapping_hash(PyObject* mapping) {
    constexpr Py_ssize_t large = 10'000;
    auto* table = reinterpret_cast<PyObject*>(table_of(mapping));
    const Py_ssize_t used = table_of(mapping)->ma_used;
    Py_uhash_t sum = mixed(0x6d617070 + static_cast<Py_uhash_t>(used));
    if (used > large) return usable(sum);
    Py_ssize_t position = 0;
    PyObject *key = nullptr, *value = nullptr;
    while (PyDict_Next(table, &position, &key, &value)) {
        sum += mixed(mixed(child_hash(key)) + child_hash(value));
    }
    return usable(mixed(sum));
}

}  // namespace

Py_hash_t hash_of_frozen(PyObject* object) {
    PyTypeObject* type = Py_TYPE(object);
    if (type == &PyUnicode_Type) {
        const Py_hash_t hash = reinterpret_cast<PyASCIIObject*>(object)->hash;
        if (hash != -1) return hash;
    }
    if (type == &PyFloat_Type) return float_hash(object);
    if (type == &PyLong_Type &&
        PyUnstable_Long_IsCompact(reinterpret_cast<PyLongObject*>(object))) {
        return usable(static_cast<Py_uhash_t>(
            PyUnstable_Long_CompactValue(reinterpret_cast<PyLongObject*>(object))));
    }
    if (type == mapping_type()) return stored_hash(reinterpret_cast<mapping_object*>(object));
    if (memory::frozen_space::contains(object)) {
        if (type == &PyTuple_Type) return reinterpret_cast<PyTupleObject*>(object)->ob_hash;
        if (type == &PyFrozenSet_Type) return reinterpret_cast<PySetObject*>(object)->hash;
    }
    return type->tp_hash(object);  // an atom, which can always be hashed
}

void fill_tuple_hash(PyTupleObject* tuple) {
    tuple->ob_hash = tuple_hash(tuple);
}

void fill_mapping_hash(mapping_object* mapping, bool cpython_can) {
    stored_hash(mapping) = unfinished;
    if (has_frozendict && cpython_can) {
        mapping_type()->tp_hash(reinterpret_cast<PyObject*>(mapping));
        return;
    }
    stored_hash(mapping) = mapping_hash(reinterpret_cast<PyObject*>(mapping));
}

}  // namespace allcores::data
