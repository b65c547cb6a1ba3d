// Functions that are called in another interpreter on the caller's thread, or on the main thread:
// allcores.call_in_main, and Interpreter.call with where="caller".
#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "bindings/module.h"
#include "bindings/proxy_object.h"
#include "data/guarded.h"
#include "interpreter/attach.h"
#include "interpreter/interpreter.h"
#include "interpreter/main_thread.h"
#include "interpreter/process.h"

namespace allcores::bindings {

using data::checked;
using data::delivery;
using data::guarded;
using data::python_error;
using data::ref;
using interpreter::door;
using interpreter::process;

namespace {

constexpr std::chrono::milliseconds look_around{100};

struct call {
    data::message function;
    data::message arguments;
    data::message keywords;

    call(PyObject* callee, PyObject* values, PyObject* names)
        : function(data::message::encode(callee, "the function")),
          arguments(data::message::encode(values, "args")) {
        if (names != nullptr && PyDict_GET_SIZE(names) > 0)
            keywords = data::message::encode(names, "kwargs");
    }

    // Where it is to run, with the GIL there.
    void run(delivery& out) noexcept {
        try {
            ref calls = checked(PyImport_ImportModule("allcores._calls"));
            ref callable = ref::steal(function.decode());
            ref callee = checked(PyObject_CallMethod(calls.get(), "callee", "O", callable.get()));
            ref values = ref::steal(arguments.decode());
            ref names = keywords ? ref::steal(keywords.decode()) : ref();
            ref result = checked(PyObject_Call(callee.get(), values.get(), names.get()));
            values = ref();
            out.put(std::move(result), nullptr);
        } catch (...) {
            data::set_python_error();
            out.put_error();
        }
    }
};

// What a job of the main thread brings back: written by it before `done`, read after that.
struct pending_call {
    delivery result;
    interpreter::completion done;
};

// Sets `done` when the job is gone, run or not.
struct end_of_call {
    std::shared_ptr<pending_call> of;
    explicit end_of_call(std::shared_ptr<pending_call> call) : of(std::move(call)) {}
    end_of_call(end_of_call&&) noexcept = default;
    ~end_of_call() {
        if (of == nullptr) return;
        if (of->result.what() == delivery::kind::nothing) of->result.put_gone();
        of->done.set();
    }
};

// Whose own threads wait for the jobs that this thread, the main one, is in.
thread_local std::vector<const interpreter::interpreter*> waiting;

class job_of {
 public:
    explicit job_of(const interpreter::interpreter* asker) { waiting.push_back(asker); }
    ~job_of() { waiting.pop_back(); }
    job_of(const job_of&) = delete;
    job_of& operator=(const job_of&) = delete;
};

// Throws python_error when this interpreter ends meanwhile.
void wait_for(pending_call& call) {
    const std::shared_ptr<door> own = process::get().current_door();
    for (;;) {
        interpreter::completion::outcome outcome;
        {
            const interpreter::detached elsewhere;
            outcome = call.done.wait(look_around);
        }
        if (outcome == interpreter::completion::outcome::done) return;
        if (own != nullptr && own->is_ending()) {
            PyErr_SetString(PyExc_SystemExit, "this interpreter is ending");
            throw python_error();
        }
        ref module = checked(PyImport_ImportModule("allcores._channels"));
        const ref none = checked(PyObject_CallMethod(module.get(), "checkpoint", nullptr));
    }
}

// _call_in_main(function, args, kwargs, on_main_thread: bool)
PyObject* call_in_main(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&]() -> ref {
        if (count != 4 || !PyTuple_CheckExact(arguments[1]) || !PyDict_CheckExact(arguments[2])) {
            PyErr_SetString(PyExc_TypeError, "_call_in_main(function, args, kwargs, bool)");
            throw python_error();
        }
        door& main = *process::get().main;
        if (arguments[3] != Py_True || interpreter::is_main_thread())
            return call_there(main, arguments[0], arguments[1], arguments[2]);
        auto pending = std::make_shared<pending_call>();
        const bool posted = interpreter::post_to_main_thread(
            [asked = call(arguments[0], arguments[1], arguments[2]), end = end_of_call(pending),
             asker = interpreter::interpreter::current()] mutable {
                const job_of running(asker);
                asked.run(end.of->result);
            });
        if (!posted) raise_gone(main);
        wait_for(*pending);
        return arrive(pending->result, main);
    });
}

// _use_signal(number): it has a handler on the main thread, which calls _run_jobs().
PyObject* use_signal(PyObject*, PyObject* number) {
    return guarded([&] {
        const long value = PyLong_AsLong(number);
        if (value == -1 && PyErr_Occurred()) throw python_error();
        interpreter::set_main_thread_signal(static_cast<int>(value));
        return ref::borrow(Py_None);
    });
}

PyObject* run_jobs(PyObject*, PyObject*) {
    interpreter::run_main_thread_jobs();
    Py_RETURN_NONE;
}

PyObject* is_main_thread(PyObject*, PyObject*) {
    return PyBool_FromLong(interpreter::is_main_thread() &&
                           PyInterpreterState_Get() == PyInterpreterState_Main());
}

PyMethodDef functions[] = {
    {"_call_in_main", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(call_in_main)),
     METH_FASTCALL, nullptr},
    {"_use_signal", use_signal, METH_O, nullptr},
    {"_run_jobs", run_jobs, METH_NOARGS, nullptr},
    {"_is_main_thread", is_main_thread, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

bool waits_for_this_thread(const interpreter::interpreter& asker) {
    return std::ranges::find(waiting, &asker) != waiting.end();
}

ref call_there(door& where, PyObject* function, PyObject* arguments, PyObject* keywords) {
    call asked(function, arguments, keywords);
    delivery result;
    try {
        const interpreter::attached there(where);
        asked.run(result);
    } catch (const interpreter::interpreter_gone&) {
        raise_gone(where);
    }
    return arrive(result, where);
}

int add_calling(PyObject* module) {
    return PyModule_AddFunctions(module, functions);
}

}  // namespace allcores::bindings
