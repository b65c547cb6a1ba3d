// A set of frozen strings, bytes, and tuples of what is settled (data/frozen_layout.h): by type and
// content; of a tuple by what it has, not by what that equals (1 is not True).
//
// Open addressing, no removal; for one thread at a time. No Python code runs. For src/data only,
// like frozen_layout.h.
#pragma once
#include "data/frozen_layout.h"
// After CPython's internal headers:
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace allcores::data {

inline PyObject** items_of(PyObject* tuple) {
    return reinterpret_cast<PyTupleObject*>(tuple)->ob_item;
}

class content_set {
 public:
    // The one that is equal to the object, whose hash this is; or null.
    PyObject* find(PyObject* object, Py_hash_t hash) const {
        return find(hash, [&](PyObject* each) { return are_equal(each, object); });
    }
    // The str of these ASCII characters, or null.
    PyObject* find(std::string_view text, Py_hash_t hash) const {
        return find(hash, [&](PyObject* each) {
            return PyUnicode_CheckExact(each) && PyUnicode_IS_ASCII(each) && text_of(each) == text;
        });
    }
    // It must not be there yet. Throws std::bad_alloc, and then nothing has changed.
    void insert(PyObject* object) {
        if ((used_ + 1) * 4 > entries_.size() * 3) grow();
        put({object, hash_of_frozen(object)});
        used_++;
    }

 private:
    static std::string_view text_of(PyObject* ascii) {
        return {static_cast<const char*>(PyUnicode_DATA(ascii)),
                static_cast<std::size_t>(PyUnicode_GET_LENGTH(ascii))};
    }
    static bool are_equal(PyObject* ours, PyObject* object) {
        if (Py_TYPE(ours) != Py_TYPE(object)) return false;
        if (PyBytes_CheckExact(ours)) {
            return Py_SIZE(ours) == Py_SIZE(object) &&
                   std::memcmp(PyBytes_AS_STRING(ours), PyBytes_AS_STRING(object),
                               static_cast<std::size_t>(Py_SIZE(ours))) == 0;
        }
        if (PyTuple_CheckExact(ours)) {
            return Py_SIZE(ours) == Py_SIZE(object) &&
                   std::memcmp(items_of(ours), items_of(object),
                               static_cast<std::size_t>(Py_SIZE(ours)) * sizeof(PyObject*)) == 0;
        }
        // A string's smallest form is the only one.
        return PyUnicode_GET_LENGTH(ours) == PyUnicode_GET_LENGTH(object) &&
               PyUnicode_KIND(ours) == PyUnicode_KIND(object) &&
               std::memcmp(PyUnicode_DATA(ours), PyUnicode_DATA(object),
                           static_cast<std::size_t>(PyUnicode_GET_LENGTH(ours)) *
                               PyUnicode_KIND(ours)) == 0;
    }
    // With the hash: most that are looked at and are not it are told by that, without a look at
    // their memory.
    struct entry {
        PyObject* object = nullptr;
        Py_hash_t hash = 0;
    };

    std::size_t next(std::size_t i) const { return (i + 1) & (entries_.size() - 1); }
    std::size_t first(Py_hash_t hash) const { return next(static_cast<std::size_t>(hash)); }
    template <typename IsIt>
    PyObject* find(Py_hash_t hash, IsIt is_it) const {
        if (entries_.empty()) return nullptr;
        for (std::size_t i = first(hash); entries_[i].object != nullptr; i = next(i)) {
            if (entries_[i].hash == hash && is_it(entries_[i].object)) return entries_[i].object;
        }
        return nullptr;
    }
    void put(entry each) {
        std::size_t i = first(each.hash);
        while (entries_[i].object != nullptr) i = next(i);
        entries_[i] = each;
    }
    void grow() {
        std::vector<entry> old(entries_.empty() ? 1024 : entries_.size() * 2);
        old.swap(entries_);
        for (const entry& each : old) {
            if (each.object != nullptr) put(each);
        }
    }

    std::vector<entry> entries_;  // a power of two of them
    std::size_t used_ = 0;
};

}  // namespace allcores::data
