// Code that one interpreter has compiled, for the others: what allcores._compiled needs.
#include <chrono>
#include <string>

#include "bindings/module.h"
#include "data/guarded.h"
#include "interpreter/attach.h"
#include "interpreter/process.h"

namespace allcores::bindings {
namespace {

using concurrency::made_once;
using data::guarded;
using data::ref;
using interpreter::process;

constexpr std::chrono::milliseconds patience{2000};  // for another interpreter's compiler

PyObject* take_compiled(PyObject*, PyObject* arguments) {
    const char* key = nullptr;
    Py_ssize_t size = 0;
    if (!PyArg_ParseTuple(arguments, "y#", &key, &size)) return nullptr;
    return guarded([&]() -> ref {
        made_once::result found;
        {
            const std::string wanted(key, static_cast<std::size_t>(size));
            const interpreter::detached elsewhere;
            found = process::get().compiled.take(wanted, patience);
        }
        if (found == nullptr) return ref::borrow(Py_None);
        return data::checked(
            PyBytes_FromStringAndSize(found->data(), static_cast<Py_ssize_t>(found->size())));
    });
}

PyObject* put_compiled(PyObject*, PyObject* arguments) {
    const char *key = nullptr, *code = nullptr;
    Py_ssize_t key_size = 0, code_size = 0;
    if (!PyArg_ParseTuple(arguments, "y#z#", &key, &key_size, &code, &code_size)) return nullptr;
    return guarded([&] {
        const std::string made_key(key, static_cast<std::size_t>(key_size));
        if (code == nullptr) {
            process::get().compiled.give_up(made_key);
        } else {
            process::get().compiled.put(made_key, {code, static_cast<std::size_t>(code_size)});
        }
        return ref::borrow(Py_None);
    });
}

PyMethodDef methods[] = {
    {"_take_compiled", take_compiled, METH_VARARGS,
     "_take_compiled(key, /)\n--\n\nWhat another interpreter has put under this key, waiting if it "
     "is about to. None: this one is to make it, and to call _put_compiled."},
    {"_put_compiled", put_compiled, METH_VARARGS,
     "_put_compiled(key, code, /)\n--\n\nFor the other interpreters; None when there is nothing."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_compiled(PyObject* module) {
    return PyModule_AddFunctions(module, methods);
}

}  // namespace allcores::bindings
