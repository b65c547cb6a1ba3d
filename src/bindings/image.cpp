// Images of extension modules, for allcores.extensions.
#include <chrono>

#include "bindings/module.h"
#include "data/guarded.h"
#include "interpreter/elf_file.h"
#include "interpreter/image_module.h"
#include "interpreter/image_parsers.h"
#include "interpreter/image_set.h"

namespace allcores::bindings {
namespace {

using data::checked;
using data::guarded;
using data::python_error;
using data::ref;
using interpreter::image_set;

// Sets ImportError with the module's name and path.
void set_import_error(const std::exception& error, const char* name, const char* path) {
    ref message = ref::steal(PyUnicode_DecodeFSDefault(error.what()));
    ref module_name = ref::steal(PyUnicode_FromString(name));
    ref module_path = ref::steal(PyUnicode_DecodeFSDefault(path));
    if (!message || !module_name || !module_path) return;
    PyErr_SetImportError(message.get(), module_name.get(), module_path.get());
}

image_set& own_images() {
    if (image_set* set = image_set::current()) return *set;
    PyErr_SetString(PyExc_RuntimeError, "this interpreter has no images");
    throw python_error();
}

PyObject* enable_images(PyObject*, PyObject*) {
    return guarded([] {
        image_set::ensure_current();
        return ref::borrow(Py_None);
    });
}

PyObject* close_images(PyObject*, PyObject* argument) {
    return guarded([&] {
        const double seconds = PyFloat_AsDouble(argument);
        if (PyErr_Occurred()) throw python_error();
        image_set* set = image_set::current();
        const auto limit = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1e3));
        return ref::borrow(set == nullptr || set->close(limit) ? Py_True : Py_False);
    });
}

PyObject* load_extension(PyObject*, PyObject* arguments) {
    PyObject *spec, *path;
    const char *name, *suffix;
    if (!PyArg_ParseTuple(arguments, "OsO&s", &spec, &name, PyUnicode_FSConverter, &path, &suffix))
        return nullptr;
    return guarded([&]() -> ref {
        const ref path_bytes = ref::steal(path);
        const char* file = PyBytes_AS_STRING(path);
        try {
            auto made = interpreter::load_module(own_images(), spec, name, file, suffix);
            return checked(
                Py_BuildValue("Nii", made.module.release(), made.single_phase, made.has_state));
        } catch (const interpreter::elf_error&) {
            // CPython's own importer knows what to say about such a file.
            return ref::borrow(Py_None);
        } catch (const interpreter::image_error& error) {
            set_import_error(error, name, file);
            throw python_error();
        }
    });
}

PyObject* forget_image(PyObject*, PyObject* argument) {
    return guarded([&] {
        PyObject* path = nullptr;
        if (PyUnicode_FSConverter(argument, &path) == 0) throw python_error();
        const ref owned = ref::steal(path);
        if (image_set* set = image_set::current()) set->forget(PyBytes_AS_STRING(path));
        return ref::borrow(Py_None);
    });
}

PyObject* open_library(PyObject*, PyObject* arguments) {
    return guarded([&]() -> ref {
        PyObject* path = nullptr;
        int mode;
        if (PyArg_ParseTuple(arguments, "O&i", PyUnicode_FSConverter, &path, &mode) == 0)
            throw python_error();
        const ref owned = ref::steal(path);
        try {
            void* handle = own_images().open_library(PyBytes_AS_STRING(path), mode);
            if (handle == nullptr) return ref::borrow(Py_None);
            return checked(PyLong_FromVoidPtr(handle));
        } catch (const interpreter::elf_error&) {
            return ref::borrow(Py_None);
        } catch (const interpreter::image_error& error) {
            PyErr_SetString(PyExc_OSError, error.what());
            throw python_error();
        }
    });
}

PyMethodDef methods[] = {
    {"_enable_images", enable_images, METH_NOARGS,
     "_enable_images()\n--\n\nGive this interpreter a set of images."},
    {"_close_images", close_images, METH_O,
     "_close_images(timeout, /)\n--\n\nLet no thread from outside come in any more, and wait at "
     "most so many seconds for those inside. False if some stay."},
    {"_load_extension", load_extension, METH_VARARGS,
     "_load_extension(spec, name, path, suffix, /)\n--\n\nThe module from this interpreter's image "
     "of a file, whether it is single-phase, and whether it has state; None for a file that "
     "can't have one."},
    {"_forget_image", forget_image, METH_O,
     "_forget_image(path, /)\n--\n\nThe next import of this file gets a new image."},
    {"_open_library", open_library, METH_VARARGS,
     "_open_library(path, mode, /)\n--\n\nThe handle of this interpreter's image of a library; "
     "None when "
     "it can't have one."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_image(PyObject* module) {
    if (PyInterpreterState_Get() == PyInterpreterState_Main()) interpreter::find_parsers();
    return PyModule_AddFunctions(module, methods);
}

}  // namespace allcores::bindings
