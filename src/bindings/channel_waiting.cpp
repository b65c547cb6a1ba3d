// How a call waits at channels without its GIL, and select.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <utility>

#include "bindings/channel_object.h"
#include "bindings/who_waits.h"
#include "concurrency/long_wait.h"
#include "data/guarded.h"
#include "interpreter/attach.h"
#include "interpreter/process.h"

namespace allcores::bindings {

using concurrency::parker;
using data::checked;
using data::guarded;
using data::python_error;
using data::ref;
using std::chrono::steady_clock;
using worker = interpreter::interpreter;

namespace {

// How often a wait looks for what wakes nobody: a signal that another thread has handled, an
// exception that another thread has raised here, the end of this interpreter.
constexpr std::chrono::milliseconds look_around{100};

// The interpreter of ours that this thread is in; null in the main one.
std::shared_ptr<worker> home() {
    if (worker* own = worker::current()) return own->shared_from_this();
    PyInterpreterState* here = PyInterpreterState_Get();
    if (here == PyInterpreterState_Main()) return nullptr;
    const std::int64_t id = PyInterpreterState_GetID(here);
    interpreter::process& all = interpreter::process::get();
    const std::lock_guard lock(all.mutex);
    for (const auto& each : all.interpreters) {
        if (each->id() == id) return each;
    }
    return nullptr;
}

// Runs what is pending for this thread: signal handlers, exceptions that another thread has raised.
void look_for_interruption() {
    ref module = checked(PyImport_ImportModule("allcores._channels"));
    checked(PyObject_CallMethod(module.get(), "checkpoint", nullptr));
}

ref channel_error(const char* name, const char* text) {
    ref module = checked(PyImport_ImportModule("allcores._channels"));
    ref type = checked(PyObject_GetAttrString(module.get(), name));
    return checked(PyObject_CallFunction(type.get(), "s", text));
}

// "pop from CHANNEL", or of a select all its cases. With the GIL.
std::string description(const channel_waiter& waiting) {
    constexpr std::size_t most = 8;
    std::string text;
    for (const channel_node& each : waiting.cases().first(std::min(waiting.cases().size(), most))) {
        text += text.empty() ? "" : " or ";
        text += each.what == action::push  ? "push to "
                : each.what == action::pop ? "pop from "
                                           : "join of ";
        text += text_of(*each.where);
    }
    return waiting.cases().size() > most ? text + " or others" : text;
}

void list(concurrency::long_wait& lasting, const channel_waiter& waiting) noexcept {
    std::string who;
    try {
        who = who_waits(description(waiting));
    } catch (const std::bad_alloc&) {
        // The report has a line less to tell.
    }
    lasting.list(std::move(who), [&waiting] { return waiting.finished(); });
}

}  // namespace

moment deadline_of(PyObject* timeout) {
    if (timeout == Py_None) return moment::max();
    const double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred()) throw python_error();
    if (std::isnan(seconds) || seconds < 0)
        throw std::invalid_argument("timeout must be a number of seconds, not negative");
    if (seconds > 1e9) return moment::max();
    return steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(
                                     std::chrono::duration<double>(seconds));
}

void wait_until(channel_waiter& waiting, moment deadline) {
    const std::shared_ptr<parker>& sleeper = parker::mine();
    moment now = steady_clock::now();
    if (sleeper->look(now, [&] { return waiting.finished(); })) return;
    if (!waiting.ask_for_ring(sleeper)) return;
    const std::shared_ptr<worker> own = home();
    const bool on_main_thread = own == nullptr && getpid() == gettid();
    const bool looks = on_main_thread || own != nullptr;
    concurrency::long_wait lasting(deadline != moment::max(), now);
    for (;;) {
        bool ends = false;
        bool is_late = false;
        {
            const interpreter::detached elsewhere;
            moment until = std::min(deadline, lasting.next_look());
            if (looks) until = std::min(until, now + look_around);
            static_cast<void>(sleeper->park(until));
            if (waiting.finished()) return;
            now = steady_clock::now();
            if (lasting.is_listed() && lasting.is_due(now)) lasting.look();
            ends = own != nullptr && !own->is_alive();
            is_late = now >= deadline;
            // Before the GIL is taken, which it may never be in an interpreter that was given up.
            if ((ends || is_late) && !waiting.cancel()) return;
        }
        if (ends) {
            PyErr_SetString(PyExc_SystemExit, "this interpreter is ending");
            throw python_error();
        }
        if (is_late) {
            PyErr_SetNone(PyExc_TimeoutError);
            throw python_error();
        }
        if (!lasting.is_listed() && lasting.is_due(now)) list(lasting, waiting);
        if (!looks) continue;
        try {
            look_for_interruption();
        } catch (...) {
            waiting.give_up();
            throw;
        }
    }
}

void raise_status(status how, Py_ssize_t index) {
    ref error = how == status::closed ? channel_error("ChannelClosed", "the channel is closed")
                : how == status::poisoned
                    ? channel_error("ChannelPoisoned", "the channel is poisoned")
                    : channel_error("WouldBlock", "this would have to wait");
    if (index >= 0) {
        ref number = checked(PyLong_FromSsize_t(index));
        checked(PyObject_SetAttrString(error.get(), "case", number.get()));
    }
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.get())), error.get());
    throw python_error();
}

parcel pack(const channel_state& channel, PyObject* item) {
    parcel made;
    if (channel.order_of_items() == concurrency::order::priority) made.order = priority::of(item);
    made.message = data::message::encode(item, "the item");
    return made;
}

ref result_of(channel_waiter& waiting) {
    const auto index = static_cast<Py_ssize_t>(waiting.index());
    if (waiting.result() != status::done) raise_status(waiting.result(), index);
    ref item = ref::borrow(Py_None);
    if (waiting.item()) item = checked(waiting.item().message.decode());
    return checked(Py_BuildValue("(nO)", index, item.get()));
}

channel_cases parse_cases(PyObject* cases) {
    if (!PyTuple_CheckExact(cases)) {
        PyErr_SetString(PyExc_TypeError, "a tuple of cases is needed");
        throw python_error();
    }
    channel_cases parsed;
    const Py_ssize_t count = PyTuple_GET_SIZE(cases);
    if (count == 0) throw std::invalid_argument("select needs a case");
    parsed.nodes.resize(static_cast<std::size_t>(count));
    for (Py_ssize_t i = 0; i < count; ++i) {
        PyObject* one = PyTuple_GET_ITEM(cases, i);
        channel_node& made = parsed.nodes[static_cast<std::size_t>(i)];
        if (PyTuple_CheckExact(one) && PyTuple_GET_SIZE(one) == 2) {
            parsed.channels.push_back(channel_of(PyTuple_GET_ITEM(one, 0)));
            made.what = action::push;
            made.item = pack(*parsed.channels.back(), PyTuple_GET_ITEM(one, 1));
        } else {
            parsed.channels.push_back(channel_of(one));
        }
        made.where = parsed.channels.back().get();
    }
    return parsed;
}

namespace {

// _select(cases, timeout, waits: bool) -> (index, item) or None, if it is not to wait.
PyObject* select(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&]() -> ref {
        if (count != 3) {
            PyErr_SetString(PyExc_TypeError, "_select(cases, timeout, waits)");
            throw python_error();
        }
        const moment deadline = deadline_of(arguments[1]);
        const bool only_try = arguments[2] != Py_True;
        channel_cases cases = parse_cases(arguments[0]);
        channel_waiter waiting(cases.nodes);
        if (!waiting.begin(only_try)) {
            if (only_try) return ref::borrow(Py_None);
            wait_until(waiting, deadline);
        }
        return result_of(waiting);
    });
}

PyMethodDef methods[] = {
    {"_select", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(select)), METH_FASTCALL,
     nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_channel_waiting(PyObject* module) {
    return PyModule_AddFunctions(module, methods);
}

}  // namespace allcores::bindings
