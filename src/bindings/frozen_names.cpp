// Frozen data by name (allcores.frozen): the first interpreter to ask makes it, the others wait.
#include <Python.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "bindings/module.h"
#include "data/guarded.h"
#include "data/stored_value.h"
#include "interpreter/attach.h"
#include "interpreter/interpreter.h"

namespace allcores::bindings {
namespace {

using data::guarded;
using data::ref;

// A wait looks so often for signals, and whether who makes it is still there.
constexpr std::chrono::milliseconds look{100};

struct entry {
    // What is frozen, or has frozen buffers in it; null while it is made.
    std::shared_ptr<const data::stored_value> value = {};
    std::thread::id maker;
    std::weak_ptr<interpreter::interpreter> home;  // of the maker
    bool is_mains = false;
};

// Process-wide and never destroyed, as what it names; guarded by its mutex.
struct registry {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::string, entry> entries;
};

registry& names() {
    static auto* const instance = new registry;
    return *instance;
}

bool is_there(const entry& maker) {
    if (maker.is_mains) return true;
    const auto home = maker.home.lock();
    return home && home->is_alive();
}

// Whether to look again; false: this thread is to make it. With the registry's lock.
bool wait_for(registry& all, std::unique_lock<std::mutex>& lock, const std::string& name) {
    entry& found = all.entries[name];
    const bool is_new = found.maker == std::thread::id();
    if (!is_new && is_there(found)) {
        all.changed.wait_for(lock, look);
        return true;
    }
    found.maker = std::this_thread::get_id();
    interpreter::interpreter* own = interpreter::interpreter::current();
    found.home.reset();
    if (own != nullptr) found.home = own->weak_from_this();
    found.is_mains = own == nullptr;
    return false;
}

PyObject* take_frozen(PyObject*, PyObject* argument) {
    return guarded([&]() -> ref {
        Py_ssize_t size = 0;
        const char* text = PyUnicode_AsUTF8AndSize(argument, &size);
        if (text == nullptr) throw data::python_error();
        const std::string name(text, static_cast<std::size_t>(size));
        registry& all = names();
        for (;;) {
            std::shared_ptr<const data::stored_value> value;
            bool is_own = false;
            bool again = true;
            {
                const interpreter::detached elsewhere;
                std::unique_lock lock(all.mutex);
                const entry& found = all.entries[name];
                value = found.value;
                is_own = found.maker == std::this_thread::get_id();
                if (value == nullptr && !is_own) again = wait_for(all, lock, name);
            }
            if (value != nullptr) {
                const ref object = ref::steal(value->load());
                return data::checked(PyTuple_Pack(1, object.get()));
            }
            if (is_own) {
                PyErr_Format(PyExc_RuntimeError,
                             "frozen(%R): its factory asks for it while it makes it", argument);
                throw data::python_error();
            }
            if (!again) return ref::borrow(Py_None);
            data::checked(PyErr_CheckSignals());
        }
    });
}

PyObject* put_frozen(PyObject*, PyObject* arguments) {
    const char* text = nullptr;
    Py_ssize_t size = 0;
    PyObject* made = nullptr;
    if (!PyArg_ParseTuple(arguments, "s#|O", &text, &size, &made)) return nullptr;
    return guarded([&] {
        const std::string name(text, static_cast<std::size_t>(size));
        std::shared_ptr<const data::stored_value> value;
        if (made != nullptr) {
            value = std::make_shared<const data::stored_value>(data::stored_value::store(made));
        }
        registry& all = names();
        {
            const std::lock_guard lock(all.mutex);
            if (value == nullptr) {
                all.entries.erase(name);
            } else {
                all.entries[name].value = std::move(value);
            }
        }
        all.changed.notify_all();
        return ref::borrow(Py_None);
    });
}

PyMethodDef methods[] = {
    {"_take_frozen", take_frozen, METH_O,
     "_take_frozen(name, /)\n--\n\n(object,) of that name, waiting if somebody makes it. None: the "
     "caller is to make it, and to call _put_frozen."},
    {"_put_frozen", put_frozen, METH_VARARGS,
     "_put_frozen(name, object=..., /)\n--\n\nThe object of that name; without one, it could not "
     "be "
     "made."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_frozen_names(PyObject* module) {
    return PyModule_AddFunctions(module, methods);
}

}  // namespace allcores::bindings
