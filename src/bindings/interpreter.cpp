// Interpreters in Python: the handle behind allcores.Interpreter, and what allcores._interpreter
// and _bootstrap need.
#include "interpreter/interpreter.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "bindings/module.h"
#include "bindings/proxy_object.h"
#include "bindings/who_waits.h"
#include "concurrency/long_wait.h"
#include "data/guarded.h"
#include "data/message.h"
#include "data/message_types.h"
#include "data/remote_error.h"
#include "interpreter/attach.h"
#include "interpreter/output.h"
#include "interpreter/process.h"

namespace allcores::bindings {
namespace {

using data::checked;
using data::guarded;
using data::python_error;
using data::ref;
using interpreter::completion;
using interpreter::detached;
using interpreter::process;
using std::chrono::milliseconds;
using worker = interpreter::interpreter;

constexpr milliseconds signal_poll{
    100};  // a signal may be handled on another thread, and then wakes nobody here
constexpr milliseconds interrupted_wait{1000};  // for a call to heed KeyboardInterrupt

// What the handles of one interpreter share, in whichever interpreters they are. With the last
// nobody can call it any more: it ends when it has done what it was told.
struct lease {
    const std::shared_ptr<worker> target;
    explicit lease(std::shared_ptr<worker> leased) : target(std::move(leased)) {}
    lease(const lease&) = delete;
    lease& operator=(const lease&) = delete;
    ~lease() { target->retire(); }
};

struct handle {
    PyObject_HEAD std::shared_ptr<lease> shared;

    const std::shared_ptr<worker>& target() const { return shared->target; }
};

handle* as_handle(PyObject* self) {
    return reinterpret_cast<handle*>(self);
}

// What a call brings back. `value` and `error` are written by the callee's thread after it has
// claimed the state and before `done` is set; the caller reads them after `done`, when they are
// there.
struct call_state {
    enum class outcome { pending, dropped, returned, raised };
    // From pending once, to what counts: a call that was given up on may still come to its end.
    std::atomic<outcome> result = outcome::pending;
    data::message value;
    data::remote_error error;
    completion done;

    bool claim(outcome now) {
        outcome expected = outcome::pending;
        return result.compare_exchange_strong(expected, now);
    }
};

// Sets `done` when the job is gone, run or not.
struct call_guard {
    std::shared_ptr<call_state> state;
    explicit call_guard(std::shared_ptr<call_state> shared) : state(std::move(shared)) {}
    call_guard(call_guard&&) noexcept = default;
    ~call_guard() {
        if (state == nullptr) return;
        state->claim(call_state::outcome::dropped);
        state->done.set();
    }
};

// In the callee's interpreter, with its GIL.
void run_call(call_state& state, data::message& callee, data::message& arguments) {
    try {
        ref calls = checked(PyImport_ImportModule("allcores._calls"));
        ref callable = ref::steal(callee.decode());
        ref function = checked(PyObject_CallMethod(calls.get(), "callee", "O", callable.get()));
        ref values = ref::steal(arguments.decode());
        ref result = checked(PyObject_CallObject(function.get(), values.get()));
        values = ref();
        data::message value = data::message::encode_last(std::move(result), "result");
        worker::current()->settle();
        if (state.claim(call_state::outcome::returned)) state.value = std::move(value);
    } catch (...) {
        worker::current()->settle();
        data::set_python_error();
        data::remote_error error = data::remote_error::take();
        if (state.claim(call_state::outcome::raised)) state.error = std::move(error);
    }
}

bool on_main_thread() {
    return PyInterpreterState_Get() == PyInterpreterState_Main() && getpid() == gettid();
}

// Waits for a call, detached, so that signals and the end of this interpreter are seen. Throws
// python_error for these.
void wait_for(worker& callee, call_state& state) {
    const bool main = on_main_thread();
    worker* const own = worker::current();
    bool interrupted = false;
    auto give_up_at = std::chrono::steady_clock::time_point::max();
    std::optional<concurrency::long_wait> lasting;
    for (;;) {
        completion::outcome outcome;
        {
            const detached elsewhere;
            outcome = main || own != nullptr ? state.done.wait(signal_poll) : state.done.wait();
            if (outcome == completion::outcome::timed_out && lasting && lasting->is_listed() &&
                lasting->is_due(std::chrono::steady_clock::now()))
                lasting->look();
        }
        if (outcome == completion::outcome::done) break;
        if (!lasting) lasting.emplace(interrupted, std::chrono::steady_clock::now());
        if (!lasting->is_listed() && lasting->is_due(std::chrono::steady_clock::now())) {
            lasting->list(who_waits("a call in interpreter " + std::to_string(callee.id())),
                          [&state] { return state.done.is_set(); });
        }
        if (PyErr_CheckSignals() < 0) {
            // The first Ctrl-C stops the call and waits for that a little; the second does not
            // wait.
            if (interrupted) throw python_error();
            interrupted = true;
            give_up_at = std::chrono::steady_clock::now() + interrupted_wait;
            PyErr_Clear();
            callee.interrupt(interpreter::interruption::keyboard_interrupt);
        }
        if (own != nullptr && !own->is_alive()) {
            PyErr_SetString(PyExc_SystemExit, "this interpreter is ending");
            throw python_error();
        }
        if (std::chrono::steady_clock::now() >= give_up_at) break;
    }
    if (interrupted) {
        PyErr_SetNone(PyExc_KeyboardInterrupt);
        throw python_error();
    }
}

[[noreturn]] void refuse_ended(const worker& callee) {
    if (process::get().is_closing() && !on_main_thread()) {
        // Quiet where threading and _thread end a thread: nobody is there to be told.
        PyErr_SetString(PyExc_SystemExit, "the process is ending");
    } else {
        PyErr_Format(PyExc_RuntimeError, "the interpreter \"%s\" has ended", callee.name().c_str());
    }
    throw python_error();
}

// call(function, arguments: tuple): the function as allcores._calls.callee() takes it.
PyObject* handle_call(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&]() -> ref {
        if (count != 2 || !PyTuple_CheckExact(arguments[1])) {
            PyErr_SetString(PyExc_TypeError, "call(function, arguments)");
            throw python_error();
        }
        const auto callee = as_handle(self)->target();
        if (worker::current() == callee.get()) {
            PyErr_SetString(PyExc_RuntimeError,
                            "an interpreter can't call itself and wait for that");
            throw python_error();
        }
        if (waits_for_this_thread(*callee)) {
            PyErr_Format(PyExc_RuntimeError,
                         "deadlock: the interpreter \"%s\" waits for this call of the main thread; "
                         "call it with where=\"caller\"",
                         callee->name().c_str());
            throw python_error();
        }
        auto state = std::make_shared<call_state>();
        const bool posted = callee->post(
            [guard = call_guard(state),
             function = data::message::encode(arguments[0], "the function"),
             values = data::message::encode(arguments[1], "args")] mutable {
                run_call(*guard.state, function, values);
            },
            [state] {
                if (state->claim(call_state::outcome::dropped)) state->done.set();
            });
        if (!posted) refuse_ended(*callee);
        wait_for(*callee, *state);
        const auto result = state->result.load();
        if (process::get().is_closing() && result != call_state::outcome::returned)
            refuse_ended(*callee);
        switch (result) {
            case call_state::outcome::returned:
                return ref::steal(state->value.decode());
            case call_state::outcome::raised:
                state->error.raise();
                throw python_error();
            case call_state::outcome::pending:
            case call_state::outcome::dropped:
                break;
        }
        refuse_ended(*callee);
    });
}

// call_here(function, arguments: tuple): the same on the caller's thread.
PyObject* handle_call_here(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&] {
        if (count != 2 || !PyTuple_CheckExact(arguments[1])) {
            PyErr_SetString(PyExc_TypeError, "call_here(function, arguments)");
            throw python_error();
        }
        const auto callee = as_handle(self)->target();
        return call_there(callee->entrance(), arguments[0], arguments[1], nullptr);
    });
}

// Whether a signal that is to end a wait came in; the exception stays set.
bool signal_raises(PyThreadState*& saved) {
    PyEval_RestoreThread(saved);
    const bool raised = PyErr_CheckSignals() < 0;
    saved = PyEval_SaveThread();
    return raised;
}

PyObject* handle_destroy(PyObject* self, PyObject* argument) {
    return guarded([&]() -> ref {
        const double seconds = PyFloat_AsDouble(argument);
        if (seconds == -1.0 && PyErr_Occurred()) throw python_error();
        if (std::isnan(seconds) || seconds < 0) {
            PyErr_SetString(PyExc_ValueError, "timeout must be a number of seconds, not negative");
            throw python_error();
        }
        const auto target = as_handle(self)->target();
        const milliseconds patience(static_cast<std::int64_t>(std::min(seconds, 1e9) * 1000));
        worker::ending result;
        PyThreadState* saved = PyEval_SaveThread();
        try {
            result =
                target->destroy(patience, milliseconds(1000), [&] { return signal_raises(saved); });
        } catch (...) {
            PyEval_RestoreThread(saved);
            throw;
        }
        PyEval_RestoreThread(saved);
        if (PyErr_Occurred()) throw python_error();
        return ref::borrow(result == worker::ending::ended ? Py_True : Py_False);
    });
}

// The value, an int, of an expression in the __main__ of the interpreter that `attached` enters.
std::int64_t evaluate_attached(const std::shared_ptr<worker>& target, const char* expression) {
    const interpreter::attached here(target);
    try {
        ref main = checked(PyImport_ImportModule("__main__"));
        PyObject* variables = PyModule_GetDict(main.get());
        ref value = checked(PyRun_String(expression, Py_eval_input, variables, variables));
        const long long number = PyLong_AsLongLong(value.get());
        if (number == -1 && PyErr_Occurred()) throw python_error();
        return number;
    } catch (...) {
        data::set_python_error();
        const data::remote_error error = data::remote_error::take();
        throw std::runtime_error(error.type + ": " + error.message);
    }
}

// _evaluate_attached(expression: str, raw_thread: bool, held: bool) -> int: how tests reach
// interpreter/attach.h. On this thread, with this interpreter's GIL held until then or not; or on a
// new one that Python knows nothing of.
PyObject* handle_evaluate_attached(PyObject* self, PyObject* arguments) {
    return guarded([&]() -> ref {
        const char* expression;
        int raw_thread;
        int held;
        if (!PyArg_ParseTuple(arguments, "spp", &expression, &raw_thread, &held))
            throw python_error();
        const auto target = as_handle(self)->target();
        std::int64_t value = 0;
        if (raw_thread) {
            const detached elsewhere;
            std::exception_ptr failure;
            std::thread([&] {
                try {
                    value = evaluate_attached(target, expression);
                } catch (...) {
                    failure = std::current_exception();
                }
            }).join();
            if (failure) std::rethrow_exception(failure);
        } else if (held) {
            value = evaluate_attached(target, expression);
        } else {
            const detached elsewhere;
            value = evaluate_attached(target, expression);
        }
        return checked(PyLong_FromLongLong(value));
    });
}

PyObject* handle_id(PyObject* self, PyObject*) {
    return PyLong_FromLongLong(as_handle(self)->target()->id());
}

PyObject* handle_name(PyObject* self, PyObject*) {
    const std::string& name = as_handle(self)->target()->name();
    return PyUnicode_DecodeUTF8(name.data(), static_cast<Py_ssize_t>(name.size()), "surrogatepass");
}

PyObject* handle_is_alive(PyObject* self, PyObject*) {
    return PyBool_FromLong(as_handle(self)->target()->is_alive());
}

void handle_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    std::destroy_at(&as_handle(self)->shared);
    type->tp_free(self);
    Py_DECREF(type);
}

PyMethodDef handle_methods[] = {
    {"call", reinterpret_cast<PyCFunction>(handle_call), METH_FASTCALL, nullptr},
    {"call_here", reinterpret_cast<PyCFunction>(handle_call_here), METH_FASTCALL, nullptr},
    {"destroy", handle_destroy, METH_O, nullptr},
    {"_evaluate_attached", handle_evaluate_attached, METH_VARARGS, nullptr},
    {"id", handle_id, METH_NOARGS, nullptr},
    {"name", handle_name, METH_NOARGS, nullptr},
    {"is_alive", handle_is_alive, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot handle_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(handle_dealloc)},
    {Py_tp_methods, handle_methods},
    {0, nullptr},
};

PyType_Spec handle_spec = {
    "allcores._core.InterpreterHandle",
    sizeof(handle),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    handle_slots,
};

// A handle crosses by pointer: another one for the same interpreter.
constexpr data::pointer_type handle_crossing = {
    [](PyObject* self) -> std::shared_ptr<void> { return as_handle(self)->shared; },
    [](PyTypeObject* type, std::shared_ptr<void> state) -> PyObject* {
        ref made = checked(PyType_GenericAlloc(type, 0));
        std::construct_at(&as_handle(made.get())->shared,
                          std::static_pointer_cast<lease>(std::move(state)));
        return made.release();
    },
};

// _create_interpreter(name: str, inherited: bytes)
PyObject* create_interpreter(PyObject* module, PyObject* arguments) {
    return guarded([&]() -> ref {
        PyObject* name_object;
        const char* inherited;
        Py_ssize_t inherited_size;
        if (!PyArg_ParseTuple(arguments, "Uy#", &name_object, &inherited, &inherited_size))
            throw python_error();
        ref name = checked(PyUnicode_AsEncodedString(name_object, "utf-8", "surrogatepass"));
        interpreter::settings wanted;
        wanted.name.assign(PyBytes_AS_STRING(name.get()),
                           static_cast<std::size_t>(PyBytes_GET_SIZE(name.get())));
        wanted.inherited.assign(inherited, static_cast<std::size_t>(inherited_size));
        ref type = checked(PyObject_GetAttrString(module, "InterpreterHandle"));
        ref made = checked(PyType_GenericAlloc(reinterpret_cast<PyTypeObject*>(type.get()), 0));
        std::construct_at(&as_handle(made.get())->shared);
        try {
            const detached elsewhere;
            as_handle(made.get())->shared =
                std::make_shared<lease>(worker::create(std::move(wanted)));
        } catch (const interpreter::creation_error& error) {
            PyErr_SetString(error.out_of_memory ? PyExc_MemoryError : PyExc_RuntimeError,
                            error.what());
            throw python_error();
        }
        return made;
    });
}

PyObject* is_main_interpreter(PyObject*, PyObject*) {
    return PyBool_FromLong(PyInterpreterState_Get() == PyInterpreterState_Main());
}

PyObject* set_inherited(PyObject*, PyObject* argument) {
    return guarded([&]() -> ref {
        char* bytes;
        Py_ssize_t size;
        checked(PyBytes_AsStringAndSize(argument, &bytes, &size));
        process& all = process::get();
        const std::lock_guard lock(all.mutex);
        all.inherited.assign(bytes, static_cast<std::size_t>(size));
        return ref::borrow(Py_None);
    });
}

PyObject* end_all(PyObject*, PyObject*) {
    return guarded([&]() -> ref {
        PyThreadState* saved = PyEval_SaveThread();
        process::get().end_all([&] { return signal_raises(saved); });
        PyEval_RestoreThread(saved);
        process::get().end_main();
        // A Ctrl-C here has done its work: the wait is over.
        PyErr_Clear();
        return ref::borrow(Py_None);
    });
}

PyObject* before_fork(PyObject*, PyObject*) {
    return guarded([&] {
        process::before_fork();
        return ref::borrow(Py_None);
    });
}

PyObject* after_fork_in_parent(PyObject*, PyObject*) {
    process::after_fork_in_parent();
    Py_RETURN_NONE;
}

PyObject* after_fork_in_child(PyObject*, PyObject*) {
    process::after_fork_in_child();
    Py_RETURN_NONE;
}

// _write_whole(descriptor: int, data: bytes)
PyObject* write_whole(PyObject*, PyObject* arguments) {
    return guarded([&]() -> ref {
        int descriptor;
        const char* bytes;
        Py_ssize_t size;
        if (!PyArg_ParseTuple(arguments, "iy#", &descriptor, &bytes, &size)) throw python_error();
        int error;
        {
            const detached elsewhere;
            error = interpreter::write_whole(descriptor, bytes, static_cast<std::size_t>(size));
        }
        if (error != 0) {
            errno = error;
            PyErr_SetFromErrno(PyExc_OSError);
            throw python_error();
        }
        return ref::borrow(Py_None);
    });
}

PyMethodDef functions[] = {
    {"_create_interpreter", create_interpreter, METH_VARARGS, nullptr},
    {"_is_main_interpreter", is_main_interpreter, METH_NOARGS, nullptr},
    {"_set_inherited", set_inherited, METH_O, nullptr},
    {"_end_all", end_all, METH_NOARGS, nullptr},
    {"_before_fork", before_fork, METH_NOARGS, nullptr},
    {"_after_fork_in_parent", after_fork_in_parent, METH_NOARGS, nullptr},
    {"_after_fork_in_child", after_fork_in_child, METH_NOARGS, nullptr},
    {"_write_whole", write_whole, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_interpreter(PyObject* module) {
    return guarded([&] {
        checked(PyModule_AddFunctions(module, functions));
        ref type = checked(PyType_FromModuleAndSpec(module, &handle_spec, nullptr));
        checked(PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())));
        data::cross_by_pointer(reinterpret_cast<PyTypeObject*>(type.get()), &handle_crossing);
    });
}

}  // namespace allcores::bindings
