// allcores.Channel: the Python type. What may wait is in channel_waiting.cpp.
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

channel_object* as_channel(PyObject* self) {
    return reinterpret_cast<channel_object*>(self);
}

channel_state& state_of(PyObject* self) {
    return *as_channel(self)->state;
}

ref make_object(PyTypeObject* type, std::shared_ptr<channel_state> state) {
    ref made = checked(PyType_GenericAlloc(type, 0));
    std::construct_at(&as_channel(made.get())->state, std::move(state));
    return made;
}

std::size_t capacity_of(Py_ssize_t maxsize) {
    return maxsize == 0 ? channel_state::unbounded : static_cast<std::size_t>(maxsize);
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

// The only argument besides self, by name or not, and `timeout`.
struct push_arguments {
    PyObject* item = nullptr;
    PyObject* timeout = Py_None;
};

bool is_name(PyObject* name, const char* wanted) {
    return PyUnicode_EqualToUTF8(name, wanted) != 0;
}

// (item, timeout=None) for a push, (timeout=None) for a pop.
push_arguments parse(const char* function, bool has_item, PyObject* const* arguments,
                     Py_ssize_t count, PyObject* names) {
    push_arguments found;
    PyObject** targets[] = {&found.item, &found.timeout};
    const Py_ssize_t first = has_item ? 0 : 1;
    if (count > 2 - first) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments", function, 2 - first);
        throw python_error();
    }
    for (Py_ssize_t i = 0; i < count; ++i) *targets[first + i] = arguments[i];
    const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < named; ++i) {
        PyObject* name = PyTuple_GET_ITEM(names, i);
        const bool is_item = has_item && is_name(name, "item");
        if (!is_item && !is_name(name, "timeout")) {
            PyErr_Format(PyExc_TypeError, "%s() has no argument %R", function, name);
            throw python_error();
        }
        const Py_ssize_t place = is_item ? 0 : 1;
        if (place < first + count) {
            PyErr_Format(PyExc_TypeError, "%s() got %R twice", function, name);
            throw python_error();
        }
        *targets[place] = arguments[count + i];
    }
    if (has_item && found.item == nullptr) {
        PyErr_Format(PyExc_TypeError, "%s() needs an item", function);
        throw python_error();
    }
    return found;
}

ref push_item(PyObject* self, PyObject* object, moment deadline) {
    channel_state& state = state_of(self);
    parcel item = pack(state_of(self), object);
    status how = state.try_push(item);
    if (how == status::waiting) {
        channel_node only[] = {{&state, action::push, std::move(item)}};
        channel_waiter waiting(only, concurrency::parker::mine());
        if (!waiting.begin()) wait_until(waiting, deadline);
        how = waiting.result();
    }
    if (how != status::done) raise_status(how);
    return ref::borrow(Py_None);
}

// What was popped, still encoded. Empty, if a channel that is closed is no error.
parcel pop_parcel(PyObject* self, moment deadline, bool closed_is_error) {
    channel_state& state = state_of(self);
    parcel item;
    status how = state.try_pop(item);
    if (how == status::waiting) {
        channel_node only[] = {{&state, action::pop}};
        channel_waiter waiting(only, concurrency::parker::mine());
        if (!waiting.begin()) wait_until(waiting, deadline);
        how = waiting.result();
        item = std::move(waiting.item());
    }
    if (how != status::done && (closed_is_error || how != status::closed)) raise_status(how);
    return item;
}

PyObject* channel_push(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                       PyObject* names) {
    return guarded([&] {
        const push_arguments given = parse("push", true, arguments, count, names);
        return push_item(self, given.item, deadline_of(given.timeout));
    });
}

PyObject* channel_pop(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                      PyObject* names) {
    return guarded([&]() -> PyObject* {
        const push_arguments given = parse("pop", false, arguments, count, names);
        return pop_parcel(self, deadline_of(given.timeout), true).message.decode();
    });
}

PyObject* channel_push_nowait(PyObject* self, PyObject* object) {
    return guarded([&] {
        parcel item = pack(state_of(self), object);
        const status how = state_of(self).try_push(item);
        if (how != status::done) raise_status(how);
        return ref::borrow(Py_None);
    });
}

PyObject* channel_pop_nowait(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        parcel item;
        const status how = state_of(self).try_pop(item);
        if (how != status::done) raise_status(how);
        return item.message.decode();
    });
}

PyObject* channel_next(PyObject* self) {
    return guarded([&]() -> PyObject* {
        parcel item = pop_parcel(self, moment::max(), false);
        return item ? item.message.decode() : nullptr;
    });
}

// For queues.

PyObject* channel_task_done(PyObject* self, PyObject*) {
    return PyBool_FromLong(state_of(self).task_done());
}

PyObject* channel_unfinished(PyObject* self, PyObject*) {
    return PyLong_FromUnsignedLongLong(state_of(self).statistics().unfinished);
}

PyObject* channel_set_maxsize(PyObject* self, PyObject* argument) {
    return guarded([&] {
        const Py_ssize_t maxsize = PyLong_AsSsize_t(argument);
        if (maxsize == -1 && PyErr_Occurred()) throw python_error();
        state_of(self).set_capacity(capacity_of(std::max<Py_ssize_t>(maxsize, 0)));
        return ref::borrow(Py_None);
    });
}

PyObject* channel_join(PyObject* self, PyObject*) {
    return guarded([&] {
        channel_node only[] = {{&state_of(self), action::join}};
        channel_waiter waiting(only, concurrency::parker::mine());
        if (!waiting.begin()) wait_until(waiting, moment::max());
        return ref::borrow(Py_None);
    });
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

// For coroutines, which are written in Python.

PyObject* call_async(const char* function, PyObject* self, PyObject* item) {
    return guarded([&] {
        ref module = checked(PyImport_ImportModule("allcores._channels_async"));
        ref callee = checked(PyObject_GetAttrString(module.get(), function));
        return checked(PyObject_CallFunctionObjArgs(callee.get(), self, item, nullptr));
    });
}

PyObject* channel_apush(PyObject* self, PyObject* item) {
    return call_async("apush", self, item);
}

PyObject* channel_apop(PyObject* self, PyObject*) {
    return call_async("apop", self, nullptr);
}

PyObject* channel_anext(PyObject* self) {
    return call_async("anext", self, nullptr);
}

PyObject* channel_close(PyObject* self, PyObject*) {
    state_of(self).close();
    Py_RETURN_NONE;
}

PyObject* channel_poison(PyObject* self, PyObject*) {
    state_of(self).poison();
    Py_RETURN_NONE;
}

PyObject* channel_statistics_of(PyObject* self, PyObject*) {
    return guarded([&] {
        const channel_statistics counted = state_of(self).statistics();
        return checked(Py_BuildValue(
            "{sK sK sn sn sn sO sO}", "pushed", static_cast<unsigned long long>(counted.pushed),
            "popped", static_cast<unsigned long long>(counted.popped), "length",
            static_cast<Py_ssize_t>(counted.length), "waiting_to_push",
            static_cast<Py_ssize_t>(counted.waiting_to_push), "waiting_to_pop",
            static_cast<Py_ssize_t>(counted.waiting_to_pop), "is_closed",
            counted.is_closed ? Py_True : Py_False, "is_poisoned",
            counted.is_poisoned ? Py_True : Py_False));
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
    const channel_state& state = state_of(self);
    const channel_statistics counted = state.statistics();
    const std::size_t capacity = state.capacity();
    const char* ended = counted.is_poisoned ? ", poisoned" : counted.is_closed ? ", closed" : "";
    if (capacity == 0)
        return PyUnicode_FromFormat("<allcores.Channel rendezvous at %p%s>", &state, ended);
    if (capacity == channel_state::unbounded) {
        return PyUnicode_FromFormat("<allcores.Channel at %p, %zu inside%s>", &state,
                                    counted.length, ended);
    }
    return PyUnicode_FromFormat("<allcores.Channel at %p, %zu of %zu inside%s>", &state,
                                counted.length, capacity, ended);
}

template <auto Function>
PyCFunction as_method() {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(Function));
}

PyMethodDef channel_methods[] = {
    {"push", as_method<channel_push>(), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("push($self, /, item, timeout=None)\n--\n\n"
               "Put a copy of an item in; wait while the channel is full.\n\n"
               "Raises TimeoutError after `timeout` seconds, ChannelClosed, ChannelPoisoned, and "
               "TypeError\nfor what can't cross. Then the item is not in the channel.")},
    {"pop", as_method<channel_pop>(), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("pop($self, /, timeout=None)\n--\n\n"
               "Take the first item out; wait while there is none.\n\n"
               "Raises TimeoutError after `timeout` seconds, ChannelClosed when it is closed and "
               "empty,\nand ChannelPoisoned.")},
    {"push_nowait", channel_push_nowait, METH_O,
     PyDoc_STR("push_nowait($self, item, /)\n--\n\n"
               "push() that raises WouldBlock instead of waiting.")},
    {"pop_nowait", channel_pop_nowait, METH_NOARGS,
     PyDoc_STR("pop_nowait($self, /)\n--\n\n"
               "pop() that raises WouldBlock instead of waiting.")},
    {"close", channel_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\n"
               "Let nothing more in. What is inside can still be popped; then, and for every push, "
               "it is\nChannelClosed, also for those who wait. Doing it twice is fine.")},
    {"poison", channel_poison, METH_NOARGS,
     PyDoc_STR("poison($self, /)\n--\n\n"
               "Drop what is inside, and let every push and pop, also those that wait, raise "
               "ChannelPoisoned.")},
    {"statistics", channel_statistics_of, METH_NOARGS,
     PyDoc_STR("statistics($self, /)\n--\n\n"
               "What went in and out so far, what is inside, and how many calls wait.")},
    {"apush", channel_apush, METH_O,
     PyDoc_STR("apush($self, item, /)\n--\n\n"
               "push() for coroutines of asyncio. An item that waits to get in when the coroutine "
               "is cancelled\nis not pushed.")},
    {"apop", channel_apop, METH_NOARGS,
     PyDoc_STR("apop($self, /)\n--\n\n"
               "pop() for coroutines of asyncio. An item that is on its way to a coroutine that is "
               "cancelled\ngoes back to the front of the channel.")},
    {"_task_done", channel_task_done, METH_NOARGS, nullptr},
    {"_unfinished", channel_unfinished, METH_NOARGS, nullptr},
    {"_set_maxsize", channel_set_maxsize, METH_O, nullptr},
    {"_join", channel_join, METH_NOARGS, nullptr},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("Channel[type of the items], for type checkers")},
    {nullptr, nullptr, 0, nullptr},
};

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

const std::shared_ptr<channel_state>& channel_of(PyObject* object) {
    if (Py_TYPE(object) != data::class_for(&channel_crossing)) {
        PyErr_Format(PyExc_TypeError, "a Channel is needed, not a %s", Py_TYPE(object)->tp_name);
        throw python_error();
    }
    return as_channel(object)->state;
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
