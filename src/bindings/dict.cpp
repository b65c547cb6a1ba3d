// allcores.Dict: the Python type. Its methods are in dict_methods.cpp.
#include "bindings/dict_object.h"
#include "bindings/module.h"

namespace allcores::bindings {

using data::checked;
using data::guarded;
using data::python_error;
using data::ref;

namespace {

std::shared_ptr<dict_table>& shared_table_of(PyObject* self) {
    return reinterpret_cast<dict_object*>(self)->table;
}

ref make_object(PyTypeObject* type, std::shared_ptr<dict_table> table) {
    ref made = checked(PyType_GenericAlloc(type, 0));
    std::construct_at(&shared_table_of(made.get()), std::move(table));
    return made;
}

PyObject* dict_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
    return guarded([&] {
        static const char* names[] = {"maxsize", "ttl", nullptr};
        PyObject *maxsize = Py_None, *ttl = Py_None;
        if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|OO:Dict", const_cast<char**>(names),
                                         &maxsize, &ttl))
            throw python_error();
        std::size_t most = dict_table::unbounded;
        if (maxsize != Py_None) {
            const Py_ssize_t given = PyNumber_AsSsize_t(maxsize, PyExc_OverflowError);
            if (given == -1 && PyErr_Occurred()) throw python_error();
            if (given < 1) throw std::invalid_argument("maxsize is a number above 0, or None");
            most = static_cast<std::size_t>(given);
        }
        return make_object(type, std::make_shared<dict_table>(most, lifetime_of(ttl)));
    });
}

void dict_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    std::destroy_at(&shared_table_of(self));
    type->tp_free(self);
    Py_DECREF(type);
}

Py_ssize_t dict_length(PyObject* self) {
    return static_cast<Py_ssize_t>(table_of(self).size());
}

PyObject* dict_subscript(PyObject* self, PyObject* key) {
    return guarded([&] { return dict_get_item(self, key); });
}

int dict_assign(PyObject* self, PyObject* key, PyObject* value) {
    return guarded([&] { dict_set_item(self, key, value); });
}

int dict_contains(PyObject* self, PyObject* object) {
    return guarded([&] {
        const given_key key(object);
        return table_of(self).peek(key.key) ? 1 : 0;
    });
}

PyObject* dict_iterate(PyObject* self) {
    return guarded([&] {
        ref keys = dict_keys(self);
        return checked(PyObject_GetIter(keys.get()));
    });
}

Py_hash_t dict_hash(PyObject* self) {
    return Py_HashPointer(&table_of(self));
}

PyObject* dict_compare(PyObject* self, PyObject* other, int operation) {
    if (Py_TYPE(other) != Py_TYPE(self) || (operation != Py_EQ && operation != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    return PyBool_FromLong((&table_of(self) == &table_of(other)) == (operation == Py_EQ));
}

PyObject* dict_maxsize(PyObject* self, void*) {
    const std::size_t most = table_of(self).most();
    return most == dict_table::unbounded ? Py_NewRef(Py_None) : PyLong_FromSize_t(most);
}

PyObject* dict_ttl(PyObject* self, void*) {
    const std::int64_t lifetime = table_of(self).lifetime();
    if (lifetime == concurrency::never) Py_RETURN_NONE;
    return PyFloat_FromDouble(static_cast<double>(lifetime) / 1e9);
}

PyObject* dict_repr(PyObject* self) {
    const dict_table& table = table_of(self);
    if (table.most() == dict_table::unbounded)
        return PyUnicode_FromFormat("<allcores.Dict at %p, %zu entries>", &table, table.size());
    return PyUnicode_FromFormat("<allcores.Dict at %p, %zu of %zu entries>", &table, table.size(),
                                table.most());
}

PyGetSetDef dict_properties[] = {
    {"maxsize", dict_maxsize, nullptr, PyDoc_STR("Entries that fit in, or None."), nullptr},
    {"ttl", dict_ttl, nullptr, PyDoc_STR("Seconds that an entry is there, or None."), nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyDoc_STRVAR(dict_doc,
             "Dict(maxsize=None, ttl=None)\n--\n\n"
             "A mapping that all interpreters share: it goes to others as it is, as a channel "
             "does.\n\n"
             "Keys are int, str, bytes and tuples of these, of exactly these types. Values that "
             "are frozen\nare the very objects everywhere; of others, each who gets them gets a "
             "copy, so changing what\none got changes nothing in the Dict.\n\n"
             "With `maxsize`, the least recently used entries go when there are more. With `ttl`, "
             "an entry is\ngone so many seconds after it was set. `None` means no limit.");

PyType_Slot dict_slots[] = {
    {Py_tp_doc, const_cast<char*>(dict_doc)},
    {Py_tp_new, reinterpret_cast<void*>(dict_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dict_dealloc)},
    {Py_tp_methods, dict_methods},
    {Py_tp_getset, dict_properties},
    {Py_tp_repr, reinterpret_cast<void*>(dict_repr)},
    {Py_tp_hash, reinterpret_cast<void*>(dict_hash)},
    {Py_tp_richcompare, reinterpret_cast<void*>(dict_compare)},
    {Py_tp_iter, reinterpret_cast<void*>(dict_iterate)},
    {Py_mp_length, reinterpret_cast<void*>(dict_length)},
    {Py_mp_subscript, reinterpret_cast<void*>(dict_subscript)},
    {Py_mp_ass_subscript, reinterpret_cast<void*>(dict_assign)},
    {Py_sq_contains, reinterpret_cast<void*>(dict_contains)},
    {0, nullptr},
};

PyType_Spec dict_spec = {
    "allcores.Dict", sizeof(dict_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    dict_slots,
};

constexpr data::pointer_type dict_crossing = {
    [](PyObject* self) -> std::shared_ptr<void> { return shared_table_of(self); },
    [](PyTypeObject* type, std::shared_ptr<void> state) -> PyObject* {
        return make_object(type, std::static_pointer_cast<dict_table>(std::move(state))).release();
    },
};

}  // namespace

int add_dict(PyObject* module) {
    return guarded([&] {
        ref type = checked(PyType_FromModuleAndSpec(module, &dict_spec, nullptr));
        checked(PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())));
        data::cross_by_pointer(reinterpret_cast<PyTypeObject*>(type.get()), &dict_crossing);
    });
}

}  // namespace allcores::bindings
