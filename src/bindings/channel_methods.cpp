// The methods of allcores.Channel. How they wait is in channel_waiting.cpp.
#include "bindings/channel_object.h"
#include "data/guarded.h"

namespace allcores::bindings {

using concurrency::channel_statistics;
using data::checked;
using data::guarded;
using data::python_error;
using data::ref;

namespace {

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
    if (names == nullptr && count == (has_item ? 1 : 0)) [[likely]] {
        if (has_item) found.item = arguments[0];
        return found;
    }
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
    state.expect_push();
    parcel item = pack(state, object);
    status how = state.try_push(item);
    if (how == status::waiting) {
        channel_node only[] = {{&state, action::push, std::move(item)}};
        channel_waiter waiting(only);
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
        channel_waiter waiting(only);
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
        channel_waiter waiting(only);
        if (!waiting.begin()) wait_until(waiting, moment::max());
        return ref::borrow(Py_None);
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

template <auto Function>
PyCFunction as_method() {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(Function));
}

}  // namespace

PyObject* channel_next(PyObject* self) {
    return guarded([&]() -> PyObject* {
        parcel item = pop_parcel(self, moment::max(), false);
        return item ? item.message.decode() : nullptr;
    });
}

PyObject* channel_anext(PyObject* self) {
    return call_async("anext", self, nullptr);
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

}  // namespace allcores::bindings
