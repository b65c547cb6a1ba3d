// How coroutines wait at channels (python/allcores/_channels_async.py): no thread sleeps. What
// would wake one writes to an eventfd instead, that the event loop looks at.
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <vector>

#include "bindings/channel_object.h"
#include "data/guarded.h"

namespace allcores::bindings {
namespace {

using data::checked;
using data::guarded;
using data::python_error;
using data::ref;

// One event loop's. It is rung by any thread, and lives until nobody is left who might.
class loop_bell final : public concurrency::alarm {
 public:
    loop_bell() : descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (descriptor_ < 0) {
            PyErr_SetFromErrno(PyExc_OSError);
            throw python_error();
        }
    }
    ~loop_bell() override { ::close(descriptor_); }

    void ring(std::uint64_t token) noexcept override {
        const std::lock_guard lock(mutex_);
        const bool was_quiet = tokens_.empty() && !overflown_;
        try {
            tokens_.push_back(token);
        } catch (...) {
            overflown_ = true;
        }
        if (was_quiet) static_cast<void>(eventfd_write(descriptor_, 1));
    }

    // The tokens since the last time; false: memory was short, it may be any.
    bool take(std::vector<std::uint64_t>& tokens) {
        const std::lock_guard lock(mutex_);
        eventfd_t ignored;
        static_cast<void>(eventfd_read(descriptor_, &ignored));
        tokens = tokens_;
        tokens_.clear();
        return !std::exchange(overflown_, false);
    }

    int descriptor() const { return descriptor_; }

 private:
    const int descriptor_;
    std::mutex mutex_;  // guards what follows
    std::vector<std::uint64_t> tokens_;
    bool overflown_ = false;
};

struct bell_object {
    PyObject_HEAD std::shared_ptr<loop_bell> bell;
};

bell_object* as_bell(PyObject* self) {
    return reinterpret_cast<bell_object*>(self);
}

// A call of apush, apop or aselect.
struct pending {
    channel_cases cases;
    channel_waiter waiting;

    pending(channel_cases wanted, std::shared_ptr<loop_bell> bell, std::uint64_t token)
        : cases(std::move(wanted)), waiting(cases.nodes, std::move(bell), token) {}
};

struct waiting_object {
    PyObject_HEAD std::unique_ptr<pending> held;
};

channel_waiter& waiting_of(PyObject* self) {
    return reinterpret_cast<waiting_object*>(self)->held->waiting;
}

PyObject* bell_new(PyTypeObject* type, PyObject*, PyObject*) {
    return guarded([&] {
        auto bell = std::make_shared<loop_bell>();
        ref made = checked(PyType_GenericAlloc(type, 0));
        std::construct_at(&as_bell(made.get())->bell, std::move(bell));
        return made;
    });
}

void bell_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    std::destroy_at(&as_bell(self)->bell);
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* bell_fileno(PyObject* self, PyObject*) {
    return PyLong_FromLong(as_bell(self)->bell->descriptor());
}

// take() -> list of tokens, or None when it may be any.
PyObject* bell_take(PyObject* self, PyObject*) {
    return guarded([&]() -> ref {
        std::vector<std::uint64_t> tokens;
        if (!as_bell(self)->bell->take(tokens)) return ref::borrow(Py_None);
        ref list = checked(PyList_New(static_cast<Py_ssize_t>(tokens.size())));
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i),
                            checked(PyLong_FromUnsignedLongLong(tokens[i])).release());
        }
        return list;
    });
}

// wait(cases, token) -> _Waiting
PyObject* bell_wait(PyObject* self, PyObject* arguments) {
    return guarded([&] {
        PyObject* cases;
        unsigned long long token;
        if (!PyArg_ParseTuple(arguments, "OK", &cases, &token)) throw python_error();
        PyObject* module = PyType_GetModule(Py_TYPE(self));
        if (module == nullptr) throw python_error();
        ref type = checked(PyObject_GetAttrString(module, "_Waiting"));
        auto held = std::make_unique<pending>(parse_cases(cases), as_bell(self)->bell, token);
        ref made = checked(PyType_GenericAlloc(reinterpret_cast<PyTypeObject*>(type.get()), 0));
        std::construct_at(&reinterpret_cast<waiting_object*>(made.get())->held, std::move(held));
        return made;
    });
}

void waiting_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    try {
        waiting_of(self).give_up();
    } catch (const std::bad_alloc&) {
        // What was popped for it is dropped.
    }
    std::destroy_at(&reinterpret_cast<waiting_object*>(self)->held);
    type->tp_free(self);
    Py_DECREF(type);
}

// begin() -> bool: whether a case has happened already. Once.
PyObject* waiting_begin(PyObject* self, PyObject*) {
    return guarded([&] { return PyBool_FromLong(waiting_of(self).begin()); });
}

PyObject* waiting_finished(PyObject* self, PyObject*) {
    return PyBool_FromLong(waiting_of(self).finished());
}

PyObject* waiting_give_up(PyObject* self, PyObject*) {
    return guarded([&] {
        waiting_of(self).give_up();
        return Py_NewRef(Py_None);
    });
}

// take() -> (index, item), once it is finished.
PyObject* waiting_take(PyObject* self, PyObject*) {
    return guarded([&] { return result_of(waiting_of(self)); });
}

PyMethodDef bell_methods[] = {
    {"fileno", bell_fileno, METH_NOARGS, nullptr},
    {"take", bell_take, METH_NOARGS, nullptr},
    {"wait", bell_wait, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyMethodDef waiting_methods[] = {
    {"begin", waiting_begin, METH_NOARGS, nullptr},
    {"finished", waiting_finished, METH_NOARGS, nullptr},
    {"give_up", waiting_give_up, METH_NOARGS, nullptr},
    {"take", waiting_take, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot bell_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(bell_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(bell_dealloc)},
    {Py_tp_methods, bell_methods},
    {0, nullptr},
};

PyType_Slot waiting_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(waiting_dealloc)},
    {Py_tp_methods, waiting_methods},
    {0, nullptr},
};

PyType_Spec bell_spec = {
    "allcores._core._Bell",
    sizeof(bell_object),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    bell_slots,
};

PyType_Spec waiting_spec = {
    "allcores._core._Waiting",
    sizeof(waiting_object),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    waiting_slots,
};

}  // namespace

int add_channel_async(PyObject* module) {
    return guarded([&] {
        for (PyType_Spec* spec : {&bell_spec, &waiting_spec}) {
            ref type = checked(PyType_FromModuleAndSpec(module, spec, nullptr));
            checked(PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())));
        }
    });
}

}  // namespace allcores::bindings
