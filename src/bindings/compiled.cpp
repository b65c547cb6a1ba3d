// Compiling: of what an interpreter is asked to run, and of modules, by one interpreter for the
// others (allcores._compiled).
#include <chrono>
#include <cstring>
#include <string>

#include "bindings/module.h"
#include "data/guarded.h"
#include "data/module_code.h"
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

// As compile(source, "<allcores>", mode, dont_inherit=True), which looks first whether it was given
// a syntax tree, and for that makes the 120 types of the ast module: 250 KiB in each interpreter.
PyObject* compile_source(PyObject*, PyObject* arguments) {
    PyObject* source = nullptr;
    int is_expression = 0;
    if (!PyArg_ParseTuple(arguments, "Up", &source, &is_expression)) return nullptr;
    return guarded([&] {
        Py_ssize_t size = 0;
        const char* text = PyUnicode_AsUTF8AndSize(source, &size);
        if (text == nullptr) throw data::python_error();
        if (std::strlen(text) != static_cast<std::size_t>(size)) {
            PyErr_SetString(PyExc_SyntaxError, "source code string cannot contain null bytes");
            throw data::python_error();
        }
        const ref file = data::checked(PyUnicode_FromString("<allcores>"));
        data::checked(PySys_Audit("compile", "OO", source, file.get()));
        PyCompilerFlags flags{};
        flags.cf_flags = PyCF_SOURCE_IS_UTF8 | PyCF_IGNORE_COOKIE;
        flags.cf_feature_version = PY_MINOR_VERSION;
        return data::checked(Py_CompileStringObject(
            text, file.get(), is_expression ? Py_eval_input : Py_file_input, &flags, -1));
    });
}

PyObject* interned_strings(PyObject*, PyObject*) {
    if (PyObject* found = data::interned_strings()) return found;
    if (PyErr_Occurred()) return nullptr;
    Py_RETURN_NONE;
}

PyObject* load_code(PyObject*, PyObject* arguments) {
    Py_buffer data;
    PyObject* interned = nullptr;
    if (!PyArg_ParseTuple(arguments, "y*O!", &data, &PyDict_Type, &interned)) return nullptr;
    PyObject* code = data::load_module_code(
        {static_cast<const char*>(data.buf), static_cast<std::size_t>(data.len)}, interned);
    PyBuffer_Release(&data);
    if (code != nullptr || PyErr_Occurred()) return code;
    Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"_compile", compile_source, METH_VARARGS,
     "_compile(source, is_expression, /)\n--\n\nThe code of a source text."},
    {"_take_compiled", take_compiled, METH_VARARGS,
     "_take_compiled(key, /)\n--\n\nWhat another interpreter has put under this key, waiting if it "
     "is about to. None: this one is to make it, and to call _put_compiled."},
    {"_put_compiled", put_compiled, METH_VARARGS,
     "_put_compiled(key, code, /)\n--\n\nFor the other interpreters; None when there is nothing."},
    {"_interned_strings", interned_strings, METH_NOARGS,
     "_interned_strings()\n--\n\nThis interpreter's own dict of interned strings, for _load_code; "
     "None: there is no _load_code for it."},
    {"_load_code", load_code, METH_VARARGS,
     "_load_code(data, interned, /)\n--\n\nAs marshal.loads(): code of what all interpreters have "
     "in "
     "common, where it can be; `interned` is this interpreter's dict. None: only marshal.loads() "
     "can do it now."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_compiled(PyObject* module) {
    return guarded([&] {
        data::prepare_module_code();
        return data::checked(PyModule_AddFunctions(module, methods));
    });
}

}  // namespace allcores::bindings
