// Values that are kept outside of all interpreters under a number: what a server's handler uses
// that crosses by pointer (channels, Dicts, ...). The handler is pickled once, and made in every
// worker that there ever is; the pickle has the numbers.
#include <memory>
#include <mutex>
#include <unordered_map>

#include "bindings/module.h"
#include "data/guarded.h"
#include "data/stored_value.h"

namespace allcores::bindings {
namespace {

using data::guarded;
using data::python_error;
using data::ref;
using data::stored_value;

// Of the process, never destroyed: a thread that was left behind may still ask.
struct kept_values {
    std::mutex mutex;  // guards what follows
    std::unordered_map<std::uint64_t, std::shared_ptr<const stored_value>> values;
    std::uint64_t last = 0;

    static kept_values& get() {
        static auto& made = *new kept_values;
        return made;
    }
};

std::uint64_t number_of(PyObject* object) {
    const unsigned long long number = PyLong_AsUnsignedLongLong(object);
    if (number == static_cast<unsigned long long>(-1) && PyErr_Occurred()) throw python_error();
    return number;
}

PyObject* keep(PyObject*, PyObject* object) {
    return guarded([&] {
        auto value = std::make_shared<const stored_value>(stored_value::store(object));
        kept_values& all = kept_values::get();
        const std::lock_guard lock(all.mutex);
        all.values.emplace(++all.last, std::move(value));
        return PyLong_FromUnsignedLongLong(all.last);
    });
}

PyObject* kept(PyObject*, PyObject* number) {
    return guarded([&] {
        const std::uint64_t wanted = number_of(number);
        kept_values& all = kept_values::get();
        std::shared_ptr<const stored_value> value;
        {
            const std::lock_guard lock(all.mutex);
            const auto found = all.values.find(wanted);
            if (found != all.values.end()) value = found->second;
        }
        if (value == nullptr) {
            PyErr_SetString(PyExc_KeyError, "what was kept under this number is gone");
            throw python_error();
        }
        return ref::steal(value->load());
    });
}

PyObject* forget(PyObject*, PyObject* number) {
    return guarded([&] {
        std::shared_ptr<const stored_value> gone;  // after the lock
        const std::uint64_t wanted = number_of(number);
        kept_values& all = kept_values::get();
        const std::lock_guard lock(all.mutex);
        const auto found = all.values.find(wanted);
        if (found != all.values.end()) {
            gone = std::move(found->second);
            all.values.erase(found);
        }
        return ref::borrow(Py_None);
    });
}

PyMethodDef methods[] = {
    {"_keep", keep, METH_O, nullptr},
    {"_kept", kept, METH_O, nullptr},
    {"_forget", forget, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_kept(PyObject* module) {
    return PyModule_AddFunctions(module, methods);
}

}  // namespace allcores::bindings
