// allcores.Channel: the Python type. What its methods do is in channel_methods.cpp, how they wait
// in channel_waiting.cpp.
#include <format>

#include "bindings/channel_object.h"
#include "bindings/module.h"
#include "data/guarded.h"

namespace allcores::bindings {

using concurrency::channel_statistics;
using concurrency::order;
using data::checked;
using data::guarded;
using data::python_error;
using data::ref;

namespace {

ref make_object(PyTypeObject* type, std::shared_ptr<channel_state> state) {
    ref made = checked(PyType_GenericAlloc(type, 0));
    std::construct_at(&as_channel(made.get())->state, std::move(state));
    return made;
}

PyObject* channel_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
    return guarded([&]() -> ref {
        static const char* names[] = {"maxsize", "rendezvous", nullptr};
        Py_ssize_t maxsize = 0;
        int rendezvous = 0;
        if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|n$p:Channel",
                                         const_cast<char**>(names), &maxsize, &rendezvous))
            throw python_error();
        if (maxsize < 0) throw std::invalid_argument("maxsize must not be negative");
        if (rendezvous && maxsize != 0)
            throw std::invalid_argument("a rendezvous has no maxsize: nothing is ever inside");
        return make_object(type,
                           std::make_shared<channel_state>(rendezvous ? 0 : capacity_of(maxsize)));
    });
}

void channel_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    std::destroy_at(&as_channel(self)->state);
    type->tp_free(self);
    Py_DECREF(type);
}

// _make_queue(maxsize, order)
PyObject* make_queue(PyObject* module, PyObject* arguments) {
    return guarded([&] {
        Py_ssize_t maxsize;
        int number;
        if (!PyArg_ParseTuple(arguments, "ni", &maxsize, &number)) throw python_error();
        ref type = checked(PyObject_GetAttrString(module, "Channel"));
        return make_object(
            reinterpret_cast<PyTypeObject*>(type.get()),
            std::make_shared<channel_state>(capacity_of(maxsize), static_cast<order>(number),
                                            [](const parcel& one, const parcel& other) {
                                                return one.order->less(*other.order);
                                            }));
    });
}

Py_ssize_t channel_length(PyObject* self) {
    return static_cast<Py_ssize_t>(state_of(self).statistics().length);
}

int channel_bool(PyObject*) {
    return 1;  // also an empty one
}

Py_hash_t channel_hash(PyObject* self) {
    return Py_HashPointer(&state_of(self));
}

PyObject* channel_compare(PyObject* self, PyObject* other, int operation) {
    if (Py_TYPE(other) != Py_TYPE(self) || (operation != Py_EQ && operation != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    return PyBool_FromLong((&state_of(self) == &state_of(other)) == (operation == Py_EQ));
}

PyObject* channel_maxsize(PyObject* self, void*) {
    const std::size_t capacity = state_of(self).capacity();
    return PyLong_FromSize_t(capacity == channel_state::unbounded ? 0 : capacity);
}

PyObject* channel_rendezvous(PyObject* self, void*) {
    return PyBool_FromLong(state_of(self).capacity() == 0);
}

PyObject* channel_repr(PyObject* self) {
    return guarded([&] { return checked(PyUnicode_FromString(text_of(state_of(self)).c_str())); });
}

PyGetSetDef channel_properties[] = {
    {"maxsize", channel_maxsize, nullptr, PyDoc_STR("Items that fit inside; 0: any number."),
     nullptr},
    {"rendezvous", channel_rendezvous, nullptr, PyDoc_STR("Whether each push waits for its pop."),
     nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyDoc_STRVAR(channel_doc,
             "Channel(maxsize=0, *, rendezvous=False)\n--\n\n"
             "Items go in by push() and come out by pop(), in order, each once.\n\n"
             "Any number of threads in any interpreters may do both: a channel goes to other "
             "interpreters\nas it is, in arguments, results, messages, and with functions that use "
             "it. Items are copied,\nfrom the sender when it pushes and to the receiver when it "
             "pops.\n\n"
             "A push waits while `maxsize` items are inside (0: it never does), or, with "
             "`rendezvous`,\nuntil its item is popped. Iterating pops until the channel is closed "
             "and empty.");

PyType_Slot channel_slots[] = {
    {Py_tp_doc, const_cast<char*>(channel_doc)},
    {Py_tp_new, reinterpret_cast<void*>(channel_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(channel_dealloc)},
    {Py_tp_methods, channel_methods},
    {Py_tp_getset, channel_properties},
    {Py_tp_repr, reinterpret_cast<void*>(channel_repr)},
    {Py_tp_hash, reinterpret_cast<void*>(channel_hash)},
    {Py_tp_richcompare, reinterpret_cast<void*>(channel_compare)},
    {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_tp_iternext, reinterpret_cast<void*>(channel_next)},
    {Py_am_aiter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_am_anext, reinterpret_cast<void*>(channel_anext)},
    {Py_sq_length, reinterpret_cast<void*>(channel_length)},
    {Py_nb_bool, reinterpret_cast<void*>(channel_bool)},
    {0, nullptr},
};

PyType_Spec channel_spec = {
    "allcores.Channel", sizeof(channel_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    channel_slots,
};

PyMethodDef functions[] = {
    {"_make_queue", make_queue, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

constexpr data::pointer_type channel_crossing = {
    [](PyObject* self) -> std::shared_ptr<void> { return as_channel(self)->state; },
    [](PyTypeObject* type, std::shared_ptr<void> state) -> PyObject* {
        return make_object(type, std::static_pointer_cast<channel_state>(std::move(state)))
            .release();
    },
};

std::shared_ptr<channel_state> channel_of(PyObject* object) {
    const PyTypeObject* type = data::class_for(&channel_crossing);
    if (Py_TYPE(object) == type) return as_channel(object)->state;
    ref module = checked(PyImport_ImportModule("allcores._queues"));
    ref queue = checked(PyObject_GetAttrString(module.get(), "Queue"));
    const int is_queue = PyObject_IsInstance(object, queue.get());
    if (is_queue < 0) throw python_error();
    if (is_queue) {
        ref inside = checked(PyObject_GetAttrString(object, "_channel"));
        if (Py_TYPE(inside.get()) == type) return as_channel(inside.get())->state;
    }
    PyErr_Format(PyExc_TypeError, "a Channel or Queue is needed, not a %s",
                 Py_TYPE(object)->tp_name);
    throw python_error();
}

std::string text_of(const channel_state& channel) {
    const channel_statistics counted = channel.statistics();
    const std::size_t capacity = channel.capacity();
    const char* ended = counted.is_poisoned ? ", poisoned" : counted.is_closed ? ", closed" : "";
    const auto* address = static_cast<const void*>(&channel);
    if (capacity == 0) return std::format("<allcores.Channel rendezvous at {}{}>", address, ended);
    std::string inside = std::format("{}", counted.length);
    if (capacity != channel_state::unbounded) inside += std::format(" of {}", capacity);
    return std::format("<allcores.Channel at {}, {} inside{}>", address, inside, ended);
}

int add_channel(PyObject* module) {
    return guarded([&] {
        ref type = checked(PyType_FromModuleAndSpec(module, &channel_spec, nullptr));
        auto* channel_type = reinterpret_cast<PyTypeObject*>(type.get());
        checked(PyModule_AddType(module, channel_type));
        data::cross_by_pointer(channel_type, &channel_crossing);
        checked(PyModule_AddFunctions(module, functions));
        checked(add_channel_waiting(module));
        return add_channel_async(module);
    });
}

}  // namespace allcores::bindings
