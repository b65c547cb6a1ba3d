// Containers being made: opened empty, so that what is in them can refer to them, and finished when
// all elements are there.
#include "data/message_decoder.h"
// After CPython's internal headers:
#include <datetime.h>

namespace allcores::data {
namespace {

std::size_t table_entries(unsigned log2_size) {
    return (std::size_t{2} << log2_size) / 3;
}

// A dict's table like the encoder's: its header and index; the entries are null.
PyDictKeysObject* make_keys(const table_head& head, const char* index) {
    const std::size_t index_bytes = std::size_t{1} << head.log2_index_bytes;
    const std::size_t entry = head.is_general ? sizeof(PyDictKeyEntry) : sizeof(PyDictUnicodeEntry);
    // Room for all that the table could hold; CPython writes a new one before it counts it.
    const std::size_t entries = entry * table_entries(head.log2_size);
    auto* keys = static_cast<PyDictKeysObject*>(
        PyMem_Malloc(sizeof(PyDictKeysObject) + index_bytes + entries));
    if (keys == nullptr) throw std::bad_alloc();
    keys->dk_refcnt = 1;
    keys->dk_log2_size = head.log2_size;
    keys->dk_log2_index_bytes = head.log2_index_bytes;
    keys->dk_kind = head.is_general ? DICT_KEYS_GENERAL : DICT_KEYS_UNICODE;
    keys->dk_version = 0;
    keys->dk_usable = head.usable;
    keys->dk_nentries = head.entries;
    std::memcpy(keys->dk_indices, index, index_bytes);
    std::memset(keys->dk_indices + index_bytes, 0, entry * head.entries);
    return keys;
}

char* first_entry(PyDictKeysObject* keys) {
    return keys->dk_indices + (std::size_t{1} << keys->dk_log2_index_bytes);
}

}  // namespace

PyObject* decoder::open_container(tag what) {
    switch (what) {
        case tag::tuple_1:
        case tag::tuple: {
            const std::size_t size =
                what == tag::tuple ? take<std::size_t>() : take<std::uint8_t>();
            ref made = checked(PyTuple_New(static_cast<Py_ssize_t>(size)));
            careful(made.get());
            open(sort::tuple, made.get(), reinterpret_cast<PyTupleObject*>(made.get())->ob_item,
                 size);
            return made.release();
        }
        case tag::list: {
            const auto size = take<std::size_t>();
            ref made = checked(PyList_New(static_cast<Py_ssize_t>(size)));
            careful(made.get());
            open(sort::list, made.get(), reinterpret_cast<PyListObject*>(made.get())->ob_item,
                 size);
            return made.release();
        }
        case tag::slice: {
            ref made = checked(PySlice_New(nullptr, nullptr, nullptr));
            careful(made.get());
            // (None is immortal: nothing is lost when it is written over.)
            open(sort::slice, made.get(), &reinterpret_cast<PySliceObject*>(made.get())->start, 3);
            return made.release();
        }
        case tag::dict_table:
            return open_dict_table();
        case tag::dict_pairs: {
            const auto size = take<std::size_t>();
            ref made = checked(PyDict_New());
            careful(made.get());
            frame& opened = open(sort::dict_pairs, made.get(), nullptr, 0);
            if (size != 0) make_scratch(opened, 2 * size);
            return made.release();
        }
        case tag::set_table:
            return open_set(true);
        case tag::set_items:
            return open_set(false);
        case tag::instance:
            return open_instance();
        case tag::name_space:
            return open_name_space();
        case tag::range:
            make_scratch(open(sort::range, nullptr, nullptr, 0), 3);
            return nullptr;
        case tag::time:
            return open_clock(what, _PyDateTime_TIME_DATASIZE);
        case tag::datetime:
            return open_clock(what, _PyDateTime_DATETIME_DATASIZE);
        default: {
            // timezone
            const auto parts = take<std::uint8_t>();
            if (parts == 2) return utc();
            frame& opened = open(sort::timezone, nullptr, nullptr, 0);
            opened.flag = parts;
            make_scratch(opened, parts + std::size_t{1});
            return nullptr;
        }
    }
}

PyObject* decoder::open_dict_table() {
    const auto head = take<table_head>();
    const char* index = take_bytes(std::size_t{1} << head.log2_index_bytes);
    ref made = checked(PyDict_New());
    careful(made.get());
    if (head.is_general) {
        frame& opened = open(sort::dict_general, made.get(), nullptr, 0);
        opened.table = make_keys(head, index);
        const std::size_t hash_bytes = head.entries * sizeof(Py_hash_t);
        make_scratch(opened, std::size_t{2} * head.entries, hash_bytes);
        std::memcpy(opened.places, take_bytes(hash_bytes), hash_bytes);
    } else {
        frame& opened = open(sort::dict_table, made.get(), nullptr, 0);
        opened.table = make_keys(head, index);
        opened.first = opened.next = reinterpret_cast<PyObject**>(first_entry(opened.table));
        opened.end = opened.first + std::size_t{2} * head.entries;
    }
    return made.release();
}

PyObject* decoder::open_set(bool is_table) {
    set_head head;
    if (is_table) {
        head = take<set_head>();
    } else {
        head.is_frozen = take<std::uint8_t>();
        head.used = take<std::uint64_t>();
        head.mask = 0;
    }
    ref made = checked(head.is_frozen ? PyFrozenSet_New(nullptr) : PySet_New(nullptr));
    careful(made.get());
    frame& opened = open(is_table ? sort::set_table : sort::set_items, made.get(), nullptr, 0);
    opened.flag = head.is_frozen;
    if (is_table) {
        const std::size_t place_bytes = head.used * 2 * sizeof(std::uint64_t);
        make_scratch(opened, head.used, place_bytes);
        std::memcpy(opened.places, take_bytes(place_bytes), place_bytes);
        opened.mask = static_cast<Py_ssize_t>(head.mask);
    } else if (head.used != 0) {
        make_scratch(opened, head.used);
    }
    return made.release();
}

PyObject* decoder::open_clock(tag what, std::size_t bytes) {
    frame one = {};
    std::memcpy(one.data, take_bytes(bytes), bytes);
    one.fold = take<std::uint8_t>();
    const bool has_zone = take<std::uint8_t>() != 0;
    one.what = what == tag::time ? sort::time : sort::datetime;
    if (!has_zone) return clock(one, Py_None);
    frame& opened = open(one.what, nullptr, nullptr, 0);
    std::memcpy(opened.data, one.data, sizeof one.data);
    opened.fold = one.fold;
    make_scratch(opened, 1);
    return nullptr;
}

// Whether a tuple may be part of a cycle: one of atoms can't, and the GC need not look at it.
bool decoder::leads_on(PyObject* tuple) {
    const Py_ssize_t size = PyTuple_GET_SIZE(tuple);
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject* each = PyTuple_GET_ITEM(tuple, i);
        if (_PyObject_IS_GC(each) && (!PyTuple_CheckExact(each) || _PyObject_GC_IS_TRACKED(each)))
            return true;
    }
    return false;
}

void decoder::finish_dict_table(frame& done) {
    auto* dict = reinterpret_cast<PyDictObject*>(done.made);
    dict->ma_keys = std::exchange(done.table, nullptr);
    dict->ma_used = dict->ma_keys->dk_nentries;
}

void decoder::finish_dict_general(frame& done) {
    auto* entries = reinterpret_cast<PyDictKeyEntry*>(first_entry(done.table));
    const auto* hashes = reinterpret_cast<const Py_hash_t*>(done.places);
    const auto count = static_cast<std::size_t>(done.end - done.first) / 2;
    for (std::size_t i = 0; i < count; i++) {
        entries[i] = {hashes[i], done.first[2 * i], done.first[2 * i + 1]};
        done.first[2 * i] = done.first[2 * i + 1] = nullptr;
    }
    finish_dict_table(done);
}

void decoder::finish_set_table(frame& done) {
    auto* set = reinterpret_cast<PySetObject*>(done.made);
    const std::size_t slots = static_cast<std::size_t>(done.mask) + 1;
    if (slots > PySet_MINSIZE) {
        void* table = PyMem_Calloc(slots, sizeof(setentry));
        if (table == nullptr) throw std::bad_alloc();
        set->table = static_cast<setentry*>(table);
    }
    set->mask = done.mask;
    const auto* places = reinterpret_cast<const std::uint64_t*>(done.places);
    for (PyObject** each = done.first; each != done.end; each++, places += 2) {
        setentry& entry = set->table[places[0]];
        entry.key = std::exchange(*each, nullptr);
        entry.hash = static_cast<Py_hash_t>(places[1]);
    }
    set->fill = set->used = done.end - done.first;
}

}  // namespace allcores::data
