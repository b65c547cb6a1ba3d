// How a call goes to a shared object and back, on the caller's thread.
#include <unistd.h>

#include <array>
#include <chrono>
#include <vector>

#include "bindings/proxy_object.h"
#include "bindings/who_waits.h"
#include "concurrency/long_wait.h"
#include "data/guarded.h"
#include "interpreter/attach.h"
#include "interpreter/interrupts.h"
#include "interpreter/process.h"

namespace allcores::bindings {

using concurrency::monitor;
using data::checked;
using data::delivery;
using data::python_error;
using data::ref;
using data::shared_object;
using interpreter::door;

namespace {

// How often a wait looks for what wakes nobody, as at channels.
constexpr std::chrono::milliseconds look_around{100};
constexpr std::size_t most_on_stack = 12;

class holding {
 public:
    explicit holding(const shared_object& of) : held_(of.monitor.get()) {
        if (held_ != nullptr && !held_->try_take()) hold(of);
    }
    ~holding() {
        if (held_ != nullptr) held_->release();
    }
    holding(const holding&) = delete;
    holding& operator=(const holding&) = delete;

 private:
    monitor* held_;
};

// Room for values and the two places before them.
class places {
 public:
    explicit places(std::size_t count) {
        if (count > most_on_stack) more_.resize(count + 2);
    }
    PyObject** values() { return (more_.empty() ? few_.data() : more_.data()) + 2; }

 private:
    std::array<PyObject*, most_on_stack + 2> few_;  // (not cleared)
    std::vector<PyObject*> more_;
};

ref at_home(const std::shared_ptr<shared_object>& of, PyObject* self, deed what,
            std::span<PyObject* const> values, PyObject* names, const void* extra) {
    const holding held(*of);
    ref object = ref::borrow(of->object.get());
    if (!object) raise_gone(*of->home);
    places room(values.size());
    std::copy(values.begin(), values.end(), room.values());
    errand given{of, object.get(), room.values(), values.size(), names, extra, nullptr};
    ref result = what(given);
    const bool is_itself = result.get() == object.get() && !data::is_atom(object.get());
    return is_itself && self != nullptr ? ref::borrow(self) : std::move(result);
}

// In the home. Throws python_error.
void run_there(const std::shared_ptr<shared_object>& of, deed what, data::cargo& brought,
               const void* extra, delivery& out) {
    // The call may be what the home's last reference to it goes by.
    ref object = ref::borrow(of->object.get());
    if (!object) return out.put_gone();
    places room(brought.count());
    ref names = brought.unload_names();
    brought.unload(room.values());
    errand given{of, object.get(), room.values(), brought.count(), names.get(), extra, &out};
    struct at_end {
        errand& given;
        ~at_end() {
            for (std::size_t i = 0; i < given.count; i++) Py_DECREF(given.values[i]);
        }
    } released{given};
    ref result = what(given);
    if (result) out.put(std::move(result), of.get());
}

[[noreturn]] void raise_error(const data::remote_error& error, const door& home) {
    // Ctrl-C there is one here.
    if (interpreter::interrupts::take() && PyErr_CheckSignals() < 0) throw python_error();
    // What ends a visit is the end of the interpreter that it is in, not of ours.
    if (error.type == "SystemExit" && home.is_ending()) raise_gone(home);
    error.raise();
    throw python_error();
}

}  // namespace

void raise_gone(const door& home) {
    if (interpreter::process::get().is_closing() && getpid() != gettid() &&
        PyInterpreterState_Get() == PyInterpreterState_Main()) {
        // A daemon thread at the end of the process: quiet, as nobody is there to be told.
        PyErr_SetString(PyExc_SystemExit, "the process is ending");
        throw python_error();
    }
    ref type;
    if (ref module = ref::steal(PyImport_ImportModule("allcores._sharing")))
        type = ref::steal(PyObject_GetAttrString(module.get(), "OwnerGone"));
    if (!type) {
        // Nothing can be imported any more: this interpreter is near its end too.
        PyErr_Clear();
        type = ref::borrow(PyExc_RuntimeError);
    }
    PyErr_Format(type.get(), "the interpreter \"%s\" has ended", home.name().c_str());
    throw python_error();
}

void hold(const shared_object& hosted) {
    using std::chrono::steady_clock;
    const std::shared_ptr<door> own = interpreter::process::get().current_door();
    concurrency::long_wait lasting(false, steady_clock::now());
    for (;;) {
        monitor::outcome result;
        bool is_due = false;
        {
            const interpreter::detached elsewhere;
            result = hosted.monitor->wait(steady_clock::now() + look_around);
            is_due = result == monitor::outcome::not_yet && lasting.is_due(steady_clock::now());
            if (is_due && lasting.is_listed()) lasting.look();
        }
        if (result == monitor::outcome::taken) return;
        if (is_due && !lasting.is_listed()) {
            lasting.list(who_waits("the hosted " + hosted.type_name + ", held by another thread"),
                         [of = hosted.monitor] { return of->is_free(); });
        }
        if (result == monitor::outcome::deadlock) {
            PyErr_Format(PyExc_RuntimeError,
                         "deadlock: the thread that holds the hosted %s waits for what this "
                         "thread holds",
                         hosted.type_name.c_str());
            throw python_error();
        }
        if (!hosted.home->is_open()) raise_gone(*hosted.home);
        if (own != nullptr && own->is_ending()) {
            PyErr_SetString(PyExc_SystemExit, "this interpreter is ending");
            throw python_error();
        }
        ref module = checked(PyImport_ImportModule("allcores._channels"));
        const ref none = checked(PyObject_CallMethod(module.get(), "checkpoint", nullptr));
    }
}

std::shared_ptr<shared_object> share_part(const shared_object& of, PyObject* part) {
    std::shared_ptr<shared_object> made = data::share(part, of.loop.get(), false);
    made->monitor = of.monitor;
    made->keeps = of.keeps;
    return made;
}

ref visit(const std::shared_ptr<shared_object>& of, PyObject* self, deed what,
          std::span<PyObject* const> values, PyObject* names, const void* extra,
          bool* lasting_method) {
    if (of->is_home()) return at_home(of, self, what, values, names, extra);
    if (!of->home->is_open()) raise_gone(*of->home);
    data::cargo brought(values.data(), values.size(), names);
    delivery result;
    try {
        const holding held(*of);
        const interpreter::attached there(*of->home);
        if (!of->home->is_tidy()) of->home->tidy();
        try {
            run_there(of, what, brought, extra, result);
        } catch (...) {
            data::set_python_error();
            result.put_error();
        }
    } catch (const interpreter::interpreter_gone&) {
        raise_gone(*of->home);
    }
    using kind = delivery::kind;
    if (result.what() == kind::itself) return self != nullptr ? ref::borrow(self) : make_proxy(of);
    if (lasting_method != nullptr) *lasting_method = result.what() == kind::lasting_method;
    return arrive(result, *of->home);
}

ref arrive(delivery& result, const door& from) {
    using kind = delivery::kind;
    switch (result.what()) {
        case kind::object:
            return make_proxy(std::static_pointer_cast<shared_object>(result.state()));
        case kind::lasting_method:
        case kind::method:
            return make_method(std::static_pointer_cast<data::shared_method>(result.state()));
        case kind::awaitable: {
            ref parts = result.take();
            ref module = checked(PyImport_ImportModule("allcores._sharing_async"));
            ref type = checked(PyObject_GetAttrString(module.get(), "Awaiting"));
            return checked(PyObject_Call(type.get(), parts.get(), nullptr));
        }
        case kind::end:
            return {};
        case kind::error:
            raise_error(result.error(), from);
        case kind::gone:
            raise_gone(from);
        default:
            return result.take();
    }
}

}  // namespace allcores::bindings
