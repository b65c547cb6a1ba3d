#include <atomic>
#include <cstring>

#include "data/freezer.h"

namespace allcores::data {

namespace {

// CPython numbers the versions of dict tables from 1 up, for its caches; a table without one gets
// one, written into it, when it is used as globals. Frozen tables have theirs from the other end.
// Written and read here only.
std::atomic<std::uint32_t> next_version{UINT32_MAX};

std::size_t table_entries(const PyDictKeysObject* keys) {
    return (std::size_t{2} << keys->dk_log2_size) / 3;
}

std::size_t entry_bytes(const PyDictKeysObject* keys) {
    return DK_IS_UNICODE(keys) ? sizeof(PyDictUnicodeEntry) : sizeof(PyDictKeyEntry);
}

std::byte* first_entry(PyDictKeysObject* keys) {
    return reinterpret_cast<std::byte*>(keys->dk_indices) +
           (std::size_t{1} << keys->dk_log2_index_bytes);
}

struct owned {
    PyObject* object;
    ~owned() { Py_XDECREF(object); }
};

}  // namespace

PyObject* freezer::allocate_container(std::size_t bytes, PyTypeObject* type, shape_word shape) {
    auto* head = reinterpret_cast<gc_head*>(arena_.allocate(sizeof(gc_head) + bytes));
    head->next = 0;
    head->previous = shape;
    auto* object = reinterpret_cast<PyObject*>(head + 1);
    object->ob_refcnt_full = _Py_STATIC_IMMORTAL_INITIAL_REFCNT;
    object->ob_type = type;
    return object;
}

freezer::frame& freezer::push(PyObject* origin, PyObject* target, sort what, layout words) {
    frame& open = frames_.emplace_back();
    open.origin = origin;
    open.target = target;
    open.what = what;
    open.words = words;
    open.held = held_.size();
    return open;
}

void freezer::hold(PyObject* object) {
    held_.push_back(object);
    Py_INCREF(object);
}

PyObject* freezer::open_items(PyObject* origin, PyObject* const* items, std::size_t size,
                              shape_word shape) {
    for (std::size_t i = 0; i < std::min(size, most_prefetched); i++) __builtin_prefetch(items[i]);
    PyObject* made = allocate_container(offsetof(PyTupleObject, ob_item) + size * sizeof(PyObject*),
                                        &PyTuple_Type, shape);
    auto* tuple = reinterpret_cast<PyTupleObject*>(made);
    Py_SET_SIZE(tuple, static_cast<Py_ssize_t>(size));
    tuple->ob_hash = unfinished;
    frame& open = push(origin, made, sort::tuple, layout::items);
    open.source = items;
    open.slots = tuple->ob_item;
    open.size = size;
    open.kind = kind_of(shape);
    if (careful_ && PyList_Check(origin)) {
        std::memcpy(open.slots, items, size * sizeof(PyObject*));
        for (std::size_t i = 0; i < size; i++) hold(items[i]);
        open.source = open.slots;
    }
    return made;
}

PyObject* freezer::open_set(PyObject* origin, shape_word shape) {
    const auto* from = reinterpret_cast<PySetObject*>(origin);
    PyObject* made = allocate_container(sizeof(PySetObject), &PyFrozenSet_Type, shape);
    auto* set = reinterpret_cast<PySetObject*>(made);
    set->fill = from->fill;
    set->used = from->used;
    set->mask = from->mask;
    set->hash = unfinished;
    set->finger = 0;
    set->weakreflist = nullptr;
    const std::size_t slots = static_cast<std::size_t>(from->mask) + 1;
    set->table = from->table == from->smalltable
                     ? set->smalltable
                     : reinterpret_cast<setentry*>(arena_.allocate(slots * sizeof(setentry)));
    frame& open = push(origin, made, sort::set, layout::table);
    open.source = reinterpret_cast<PyObject* const*>(from->table);
    open.slots = reinterpret_cast<PyObject**>(set->table);
    open.size = slots * 2;
    if (careful_ && PySet_Check(origin)) {
        std::memcpy(set->table, from->table, slots * sizeof(setentry));
        for (std::size_t i = 0; i < slots; i++) {
            if (set->table[i].key != nullptr) hold(set->table[i].key);
        }
        open.source = open.slots;
    }
    return made;
}

// A key or element that is going to be hashed by CPython.
void freezer::check_key(PyObject* key) {
    if (hash_of_frozen(key) == unfinished)
        refuse("a key or element contains the container that it is in");
    if (!has_frozendict && Py_IS_TYPE(key, mapping_type())) {
        refuse("a key or element becomes a mapping, which Python can hash from 3.15 on");
    }
}

// Elements whose hash changed (members of an enumeration, say) are put into a new table, which
// CPython lays out.
void freezer::finish_set(frame& open) {
    auto* set = reinterpret_cast<PySetObject*>(open.target);
    if (open.rebuild) {
        const owned made{PySet_New(nullptr)};
        if (made.object == nullptr) throw python_error();
        for (Py_ssize_t i = 0; i <= set->mask; i++) {
            PyObject* key = set->table[i].key;
            if (key == nullptr || set->table[i].hash == -1) continue;
            check_key(key);
            if (PySet_Add(made.object, key) < 0) throw python_error();
        }
        const auto* from = reinterpret_cast<PySetObject*>(made.object);
        if (from->used != set->used)
            refuse("two elements of the set become equal when they are frozen");
        const std::size_t slots = static_cast<std::size_t>(from->mask) + 1;
        set->table = from->table == from->smalltable
                         ? set->smalltable
                         : reinterpret_cast<setentry*>(arena_.allocate(slots * sizeof(setentry)));
        std::memcpy(set->table, from->table, slots * sizeof(setentry));
        set->fill = from->fill;
        set->mask = from->mask;
    }
    PyFrozenSet_Type.tp_hash(open.target);
}

// Room for a table like the given one, with its header and index; entries are zero.
PyDictKeysObject* freezer::allocate_table(const PyDictKeysObject* like) {
    const std::size_t front =
        sizeof(PyDictKeysObject) + (std::size_t{1} << like->dk_log2_index_bytes);
    // All entries that the table could hold: who copies the dict copies them too.
    auto* keys = reinterpret_cast<PyDictKeysObject*>(
        arena_.allocate(front + entry_bytes(like) * table_entries(like)));
    std::memcpy(keys, like, front);
    keys->dk_refcnt = PY_SSIZE_T_MAX;  // immortal, as CPython's one empty table is: never counted
    keys->dk_version = next_version.fetch_sub(1, std::memory_order_relaxed);
    return keys;
}

PyObject* freezer::open_mapping(PyObject* origin, PyObject* object, shape_word shape) {
    const auto* from = reinterpret_cast<PyDictObject*>(object);
    PyObject* made = nullptr;
    PyDictObject* dict = nullptr;
    if constexpr (has_frozendict) {
        made = allocate_container(sizeof(mapping_object), mapping_type(), shape);
        dict = reinterpret_cast<PyDictObject*>(made);
    } else {
        auto* table = allocate_container(sizeof(PyDictObject), &PyDict_Type, 0);
        dict = reinterpret_cast<PyDictObject*>(table);
        made = allocate_container(sizeof(mapping_object), mapping_type(), shape);
        reinterpret_cast<proxy_object*>(made)->mapping = table;
    }
    stored_hash(reinterpret_cast<mapping_object*>(made)) = unfinished;
    dict->ma_used = from->ma_used;
    dict->_ma_watcher_tag = 0;
    dict->ma_values = nullptr;
    PyDictKeysObject* keys = from->ma_keys;
    const auto size = static_cast<std::size_t>(from->ma_used);
    frame& open = push(origin, made, sort::mapping, layout::pairs);
    open.kind = kind_of(shape);
    if (size != 0 && from->ma_values == nullptr && from->ma_used == keys->dk_nentries) {
        dict->ma_keys = allocate_table(keys);
        open.source = reinterpret_cast<PyObject* const*>(first_entry(keys));
        open.slots = reinterpret_cast<PyObject**>(first_entry(dict->ma_keys));
        if (!DK_IS_UNICODE(keys)) open.words = layout::entries;
        open.size = size * (DK_IS_UNICODE(keys) ? 2 : 3);
        if (careful_ && PyDict_Check(object)) {
            std::memcpy(open.slots, open.source, open.size * sizeof(PyObject*));
            const std::size_t step = DK_IS_UNICODE(keys) ? 2 : 3;
            for (std::size_t i = step - 2; i < open.size; i += step) {
                hold(open.slots[i]);
                hold(open.slots[i + 1]);
            }
            open.source = open.slots;
        }
        return made;
    }
    // Without a table of its own, or one with holes: collect the pairs, and let CPython lay out a
    // table of them. An empty one always comes here.
    dict->ma_keys = nullptr;
    open.rebuild = true;
    open.scratch = std::make_unique<PyObject*[]>(size * 2);
    open.size = size * 2;
    open.source = open.slots = open.scratch.get();
    Py_ssize_t position = 0;
    PyObject *key = nullptr, *value = nullptr;
    for (std::size_t i = 0; i < open.size && PyDict_Next(object, &position, &key, &value); i += 2) {
        open.slots[i] = key;
        open.slots[i + 1] = value;
        if (careful_) {
            hold(key);
            hold(value);
        }
    }
    return made;
}

void freezer::finish_mapping(frame& open) {
    auto* mapping = reinterpret_cast<mapping_object*>(open.target);
    PyDictObject* dict = table_of(open.target);
    if (open.rebuild) {
        const owned made{PyDict_New()};
        if (made.object == nullptr) throw python_error();
        const bool hashed = open.words == layout::entries;
        for (std::size_t i = hashed ? 1 : 0; i < open.size; i += hashed ? 3 : 2) {
            check_key(open.slots[i]);
            if (PyDict_SetItem(made.object, open.slots[i], open.slots[i + 1]) < 0) {
                throw python_error();
            }
        }
        auto* from = reinterpret_cast<PyDictObject*>(made.object);
        if (from->ma_used != dict->ma_used) {
            refuse("two keys of the mapping become equal when they are frozen");
        }
        if (from->ma_used == 0) {
            // CPython's one empty table, which is immortal and never written.
            dict->ma_keys = from->ma_keys;
        } else {
            dict->ma_keys = allocate_table(from->ma_keys);
            std::memcpy(
                first_entry(dict->ma_keys), first_entry(from->ma_keys),
                entry_bytes(from->ma_keys) * static_cast<std::size_t>(from->ma_keys->dk_nentries));
        }
    }
    fill_mapping_hash(mapping, !open.own_hash);
}

}  // namespace allcores::data
