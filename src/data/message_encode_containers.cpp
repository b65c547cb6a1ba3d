// Tables: dicts and sets go with their index and hashes where these are right in every interpreter
// (hashes of built-in types are: their secret is the process's), so that the receiver neither
// hashes nor inserts anything. What is hashed by its address, or by a class's own method, is
// inserted anew there.
#include <cmath>

#include "data/message_encoder.h"

namespace allcores::data {
namespace {

PyObject** make_scratch(std::size_t items) {
    void* made = PyMem_RawMalloc(items * sizeof(PyObject*));
    if (made == nullptr) throw std::bad_alloc();
    return static_cast<PyObject**>(made);
}

struct scratch_guard {
    PyObject** items;
    ~scratch_guard() { PyMem_RawFree(items); }
    PyObject** release() { return std::exchange(items, nullptr); }
};

bool is_used(const setentry& entry) {
    return entry.key != nullptr && entry.hash != -1;
}

template <class Entry>
bool has_all(const Entry* entries, std::size_t count) {
    for (std::size_t i = 0; i < count; i++) {
        if (entries[i].me_value == nullptr) return false;
    }
    return true;
}

}  // namespace

bool is_stable_key(PyObject* key, int depth) {
    PyTypeObject* type = Py_TYPE(key);
    if (type == &PyUnicode_Type || type == &PyLong_Type || type == &PyBytes_Type ||
        type == &PyBool_Type || key == Py_None) {
        return true;
    }
    // The hash of a NaN comes from its address.
    if (type == &PyFloat_Type) return !std::isnan(PyFloat_AS_DOUBLE(key));
    if (type == &PyComplex_Type) {
        const Py_complex& value = reinterpret_cast<PyComplexObject*>(key)->cval;
        return !std::isnan(value.real) && !std::isnan(value.imag);
    }
    if (crosses_as_it_is(key)) return true;
    if (depth > 4) return false;
    if (type == &PyTuple_Type) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key); i++) {
            if (!is_stable_key(PyTuple_GET_ITEM(key, i), depth + 1)) return false;
        }
        return true;
    }
    if (type == &PyFrozenSet_Type) {
        auto* set = reinterpret_cast<PySetObject*>(key);
        for (Py_ssize_t i = 0; i <= set->mask; i++) {
            if (is_used(set->table[i]) && !is_stable_key(set->table[i].key, depth + 1))
                return false;
        }
        return true;
    }
    switch (known_type(type)) {
        case known::date:
        case known::timedelta:
        case known::uuid:
            return true;
        case known::decimal: {
            // As with a float: one that is not a number is not equal to itself.
            ref same = ref::steal(PyObject_RichCompare(key, key, Py_EQ));
            if (!same) PyErr_Clear();  // sNaN, which has no hash either
            return same.get() == Py_True;
        }
        default:
            return false;
    }
}

// A dict whose table has holes, or is shared with others (an instance's), or may not be copied.
void encoder::open_dict_pairs(PyObject* dict) {
    const auto size = static_cast<std::size_t>(PyDict_GET_SIZE(dict));
    out_.put(tag::dict_pairs, size);
    scratch_guard pairs{make_scratch(2 * size)};
    Py_ssize_t position = 0;
    PyObject *key = nullptr, *value = nullptr;
    std::size_t at = 0;
    while (at < 2 * size && PyDict_Next(dict, &position, &key, &value)) {
        runs_code_ = runs_code_ || !is_stable_key(key);
        pairs.items[at++] = key;
        pairs.items[at++] = value;
    }
    open(pairs.items, at, false, pairs.items);
    static_cast<void>(pairs.release());
}

void encoder::open_dict(PyObject* dict, bool owned) {
    const auto* table = reinterpret_cast<PyDictObject*>(dict);
    const PyDictKeysObject* keys = table->ma_keys;
    const auto count = static_cast<std::size_t>(table->ma_used);
    const std::size_t index_bytes = std::size_t{1} << keys->dk_log2_index_bytes;
    if (count == 0 || table->ma_values != nullptr || table->ma_used != keys->dk_nentries ||
        index_bytes > 64 + 32 * count) {
        return open_dict_pairs(dict);
    }
    const auto* entries = reinterpret_cast<const char*>(keys->dk_indices) + index_bytes;
    const auto* general = reinterpret_cast<const PyDictKeyEntry*>(entries);
    const bool is_general = !DK_IS_UNICODE(keys);
    if (is_general) {
        for (std::size_t i = 0; i < count; i++) {
            if (general[i].me_value == nullptr || !is_stable_key(general[i].me_key))
                return open_dict_pairs(dict);
        }
    } else if (!has_all(reinterpret_cast<const PyDictUnicodeEntry*>(entries), count)) {
        return open_dict_pairs(dict);
    }
    scratch_guard pairs{is_general ? make_scratch(2 * count) : nullptr};
    const std::size_t hash_bytes = is_general ? count * sizeof(Py_hash_t) : 0;
    char* at = out_.room(1 + sizeof(table_head) + index_bytes + hash_bytes);
    at = message_writer::append(at, tag::dict_table);
    at = message_writer::append(at, table_head{keys->dk_log2_size, keys->dk_log2_index_bytes,
                                               static_cast<std::uint8_t>(is_general),
                                               static_cast<std::uint32_t>(keys->dk_usable),
                                               static_cast<std::uint32_t>(count)});
    std::memcpy(at, keys->dk_indices, index_bytes);
    at += index_bytes;
    if (!is_general) {
        // Key, value, key, value: in a row there, so that values may be taken out.
        auto* first = reinterpret_cast<PyObject**>(const_cast<char*>(entries));
        return open(first, 2 * count, owned);
    }
    for (std::size_t i = 0; i < count; i++) {
        at = message_writer::append(at, general[i].me_hash);
        pairs.items[2 * i] = general[i].me_key;
        pairs.items[2 * i + 1] = general[i].me_value;
    }
    open(pairs.items, 2 * count, false, pairs.items);
    static_cast<void>(pairs.release());
}

void encoder::open_set(PyObject* object) {
    const auto* set = reinterpret_cast<PySetObject*>(object);
    const auto used = static_cast<std::size_t>(set->used);
    const auto is_frozen = static_cast<std::uint8_t>(PyFrozenSet_CheckExact(object));
    scratch_guard items{make_scratch(used)};
    bool stable =
        set->fill == set->used && used > 0 && static_cast<std::size_t>(set->mask) < 64 + 16 * used;
    bool all_stable = true;
    std::size_t count = 0;
    for (Py_ssize_t i = 0; i <= set->mask && count < used; i++) {
        if (!is_used(set->table[i])) continue;
        all_stable = all_stable && is_stable_key(set->table[i].key);
        items.items[count++] = set->table[i].key;
    }
    if (stable && all_stable) {
        char* at = out_.room(1 + sizeof(set_head) + used * 2 * sizeof(std::uint64_t));
        at = message_writer::append(at, tag::set_table);
        at = message_writer::append(
            at, set_head{is_frozen, static_cast<std::uint64_t>(set->mask), used});
        for (Py_ssize_t i = 0; i <= set->mask; i++) {
            if (!is_used(set->table[i])) continue;
            at = message_writer::append(at, static_cast<std::uint64_t>(i));
            at = message_writer::append(at, set->table[i].hash);
        }
    } else {
        out_.put(tag::set_items, is_frozen, used);
        runs_code_ = runs_code_ || !all_stable;
    }
    open(items.items, count, false, items.items);
    static_cast<void>(items.release());
}

}  // namespace allcores::data
