// What one does with an allcores.Dict. No call into Python happens while a lock is held: keys and
// values are encoded before, decoded after.
#include "bindings/dict_object.h"

namespace allcores::bindings {

using data::checked;
using data::guarded;
using data::python_error;
using data::ref;
using data::stored_value;

namespace {

ref load(const dict_entry& found) {
    return ref::steal(found->value().load());
}

dict_entry make(dict_table& table, const given_key& key, PyObject* value,
                std::optional<std::int64_t> lifetime = {}) {
    return table.make(key.key, stored_value::store(value), lifetime);
}

void need(const char* usage, Py_ssize_t count, Py_ssize_t least, Py_ssize_t most) {
    if (count >= least && count <= most) return;
    PyErr_Format(PyExc_TypeError, "it is called as Dict.%s", usage);
    throw python_error();
}

PyObject* get(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&] {
        need("get(key, default=None)", count, 1, 2);
        const given_key key(arguments[0]);
        const dict_entry found = table_of(self).get(key.key);
        if (found) return load(found);
        return ref::borrow(count == 2 ? arguments[1] : Py_None);
    });
}

// set(key, value, *, ttl=...)
PyObject* set(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    return guarded([&] {
        const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
        const bool has_ttl =
            named == 1 && PyUnicode_EqualToUTF8(PyTuple_GET_ITEM(names, 0), "ttl") == 1;
        need("set(key, value, *, ttl=...)", has_ttl || named == 0 ? count : 0, 2, 2);
        std::optional<std::int64_t> lifetime;
        if (has_ttl) lifetime = lifetime_of(arguments[2]);
        const given_key key(arguments[0]);
        dict_table& table = table_of(self);
        table.set(make(table, key, arguments[1], lifetime));
        return ref::borrow(Py_None);
    });
}

PyObject* add(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&] {
        need("add(key, value)", count, 2, 2);
        const given_key key(arguments[0]);
        dict_table& table = table_of(self);
        const bool is_there = static_cast<bool>(table.add(make(table, key, arguments[1])));
        return ref::borrow(is_there ? Py_False : Py_True);
    });
}

PyObject* setdefault(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&] {
        need("setdefault(key, default=None)", count, 1, 2);
        const given_key key(arguments[0]);
        dict_table& table = table_of(self);
        dict_entry found = table.get(key.key);
        if (!found) {
            dict_entry made = make(table, key, count == 2 ? arguments[1] : Py_None);
            dict_entry kept = dict_entry::share(made.get());
            found = table.add(std::move(made));
            if (!found) found = std::move(kept);
        }
        return load(found);
    });
}

PyObject* pop(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&] {
        need("pop(key[, default])", count, 1, 2);
        const given_key key(arguments[0]);
        const dict_entry gone = table_of(self).remove(key.key);
        if (gone) return load(gone);
        if (count == 1) raise_missing(arguments[0]);
        return ref::borrow(arguments[1]);
    });
}

ref pair_of(const dict_entry& entry) {
    ref key = ref::steal(data::key_of_bytes(entry->key()));
    ref value = load(entry);
    return checked(PyTuple_Pack(2, key.get(), value.get()));
}

PyObject* popitem(PyObject* self, PyObject*) {
    return guarded([&] {
        const dict_entry gone = table_of(self).remove_any();
        if (gone) return pair_of(gone);
        PyErr_SetString(PyExc_KeyError, "popitem(): the Dict is empty");
        throw python_error();
    });
}

PyObject* compare_and_swap(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&] {
        need("compare_and_swap(key, expected, new)", count, 3, 3);
        const given_key key(arguments[0]);
        dict_table& table = table_of(self);
        dict_entry made;
        while (const dict_entry seen = table.peek(key.key)) {
            if (!seen->value().is_same(arguments[1])) {
                ref current = load(seen);
                if (checked(PyObject_RichCompareBool(current.get(), arguments[1], Py_EQ)) == 0)
                    return ref::borrow(Py_False);
            }
            if (!made) made = make(table, key, arguments[2]);
            if (table.replace(seen, dict_entry::share(made.get()))) return ref::borrow(Py_True);
        }
        return ref::borrow(Py_False);
    });
}

// With the key's value, or the default, as often as somebody else changes it meanwhile.
PyObject* update(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&] {
        if (count == 1) {
            PyErr_SetString(PyExc_TypeError,
                            "Dict.update(key, function[, default]) changes one value; set many by "
                            "d[key] = value for each");
            throw python_error();
        }
        need("update(key, function[, default])", count, 2, 3);
        const given_key key(arguments[0]);
        dict_table& table = table_of(self);
        while (true) {
            const dict_entry seen = table.peek(key.key);
            if (!seen && count == 2) raise_missing(arguments[0]);
            ref before = seen ? load(seen) : ref::borrow(arguments[2]);
            ref after = checked(PyObject_CallOneArg(arguments[1], before.get()));
            dict_entry made = make(table, key, after.get());
            const dict_entry kept = dict_entry::share(made.get());
            if (seen ? table.replace(seen, std::move(made)) : !table.add(std::move(made))) {
                after = ref();
                return load(kept);
            }
        }
    });
}

PyObject* clear(PyObject* self, PyObject*) {
    return guarded([&] { table_of(self).clear(); }) < 0 ? nullptr : Py_NewRef(Py_None);
}

template <class Make>
ref list_of(PyObject* self, Make&& one) {
    const std::vector<dict_entry> found = table_of(self).snapshot();
    ref list = checked(PyList_New(0));
    for (const dict_entry& each : found) {
        ref made = one(each);
        checked(PyList_Append(list.get(), made.get()));
    }
    return list;
}

PyObject* keys(PyObject* self, PyObject*) {
    return guarded([&] { return dict_keys(self); });
}

PyObject* values(PyObject* self, PyObject*) {
    return guarded([&] { return list_of(self, load); });
}

PyObject* items(PyObject* self, PyObject*) {
    return guarded([&] { return list_of(self, pair_of); });
}

PyObject* statistics(PyObject* self, PyObject*) {
    return guarded([&] {
        const concurrency::table_statistics counted = table_of(self).statistics();
        const auto number = [](std::uint64_t count) {
            return static_cast<unsigned long long>(count);
        };
        return checked(Py_BuildValue("{sK sK sK sK sK sK}", "hits", number(counted.hits), "misses",
                                     number(counted.misses), "evictions", number(counted.evictions),
                                     "expirations", number(counted.expirations), "entries",
                                     number(counted.entries), "bytes", number(counted.bytes)));
    });
}

// For tests.
PyObject* advance_clock(PyObject* self, PyObject* seconds) {
    return guarded([&] {
        table_of(self).advance(lifetime_of(seconds));
        return ref::borrow(Py_None);
    });
}

template <auto Function>
PyCFunction as_method() {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(Function));
}

}  // namespace

std::int64_t lifetime_of(PyObject* seconds) {
    if (seconds == Py_None) return concurrency::never;
    const double given = PyFloat_AsDouble(seconds);
    if (given == -1 && PyErr_Occurred()) throw python_error();
    if (!(given > 0)) throw std::invalid_argument("ttl is a number of seconds above 0, or None");
    constexpr double longest = 9e9;
    return given > longest ? concurrency::never : static_cast<std::int64_t>(given * 1e9);
}

void raise_missing(PyObject* key) {
    // In a tuple: of a key that is one only the first would be shown.
    ref arguments = checked(PyTuple_Pack(1, key));
    PyErr_SetObject(PyExc_KeyError, arguments.get());
    throw python_error();
}

ref dict_get_item(PyObject* self, PyObject* object) {
    const given_key key(object);
    const dict_entry found = table_of(self).get(key.key);
    if (!found) raise_missing(object);
    return load(found);
}

void dict_set_item(PyObject* self, PyObject* object, PyObject* value) {
    const given_key key(object);
    dict_table& table = table_of(self);
    if (value != nullptr) return table.set(make(table, key, value));
    if (!table.remove(key.key)) raise_missing(object);
}

ref dict_keys(PyObject* self) {
    return list_of(
        self, [](const dict_entry& each) { return ref::steal(data::key_of_bytes(each->key())); });
}

PyMethodDef dict_methods[] = {
    {"get", as_method<get>(), METH_FASTCALL,
     PyDoc_STR("get($self, key, default=None, /)\n--\n\nThe key's value, or the default.")},
    {"set", as_method<set>(), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "set($self, key, value, /, **ttl)\n--\n\n"
         "d[key] = value. With `ttl`, the entry is gone after so many seconds (None: never),\n"
         "whatever the Dict's own ttl is.")},
    {"add", as_method<add>(), METH_FASTCALL,
     PyDoc_STR("add($self, key, value, /)\n--\n\n"
               "Set it if the key is not there; whether it was set.")},
    {"setdefault", as_method<setdefault>(), METH_FASTCALL,
     PyDoc_STR("setdefault($self, key, default=None, /)\n--\n\n"
               "The key's value; where there is none, the default becomes it. Of several who do "
               "this at\nonce, all get the same.")},
    {"pop", as_method<pop>(), METH_FASTCALL,
     PyDoc_STR("pop($self, key, default=..., /)\n--\n\n"
               "Remove a key and return its value, which nobody else gets. Where there is none, "
               "the\ndefault, or KeyError.")},
    {"popitem", popitem, METH_NOARGS,
     PyDoc_STR("popitem($self, /)\n--\n\n"
               "Remove any key and return it with its value, to one caller only; KeyError when "
               "the Dict\nis empty. With a maxsize it is one that was not used for long.")},
    {"compare_and_swap", as_method<compare_and_swap>(), METH_FASTCALL,
     PyDoc_STR("compare_and_swap($self, key, expected, new, /)\n--\n\n"
               "Set the key to `new` if its value == expected, atomically; whether that was so. If "
               "somebody\nelse changes the value while it is compared, the new one is compared. A "
               "key that is not\nthere is equal to nothing: see add().")},
    {"update", as_method<update>(), METH_FASTCALL,
     PyDoc_STR(
         "update($self, key, function, default=..., /)\n--\n\n"
         "Set the key to function(its value), atomically, and return what was set.\n\n"
         "The function runs in the caller's interpreter, with the default where there is no "
         "value\n(without one: KeyError). No lock is held meanwhile: if somebody else changes "
         "the value, it\nruns again, with the new one. What it raises leaves all as it was.")},
    {"clear", clear, METH_NOARGS,
     PyDoc_STR("clear($self, /)\n--\n\nRemove all that is there at one moment.")},
    {"keys", keys, METH_NOARGS,
     PyDoc_STR(
         "keys($self, /)\n--\n\nA list of the keys that are there at one moment, in no order.")},
    {"values", values, METH_NOARGS,
     PyDoc_STR("values($self, /)\n--\n\n"
               "A list of the values that are there at one moment, in no order.")},
    {"items", items, METH_NOARGS,
     PyDoc_STR("items($self, /)\n--\n\n"
               "A list of (key, value) of all that is there at one moment, in no order.")},
    {"statistics", statistics, METH_NOARGS,
     PyDoc_STR("statistics($self, /)\n--\n\n"
               "A dict: hits and misses of get(), [] and setdefault(), evictions (by maxsize), "
               "expirations\n(by ttl), entries, and bytes of memory, about.")},
    {"_advance_clock", advance_clock, METH_O, nullptr},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("Dict[type of the keys, type of the values], for type checkers")},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace allcores::bindings
