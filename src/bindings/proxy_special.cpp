// The special methods of a proxy that are no slots of its type, and what others ask an object for
// by such names: NumPy's protocols.
#include <algorithm>
#include <string_view>

#include "bindings/proxy_object.h"
#include "data/guarded.h"

namespace allcores::bindings {

using data::checked;
using data::guarded;
using data::python_error;
using data::ref;
using data::shared_object;

namespace {

// Called by their name.
ref call_special(errand& given) {
    PyObject** arguments = given.values - 1;
    *arguments = given.object;
    ref name = checked(PyUnicode_InternFromString(static_cast<const char*>(given.extra)));
    return checked(PyObject_VectorcallMethod(
        name.get(), arguments, (1 + given.count) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
}

template <std::size_t Length>
struct text {
    char characters[Length];
    // NOLINTNEXTLINE(google-explicit-constructor): a literal is to become one
    consteval text(const char (&literal)[Length]) {
        std::copy(literal, literal + Length, characters);
    }
};

template <text Name>
PyObject* special(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&] {
        const auto state = as_proxy(self)->state;
        return visit(state, self, call_special, {arguments, static_cast<std::size_t>(count)},
                     nullptr, Name.characters);
    });
}

PyObject* proxy_enter(PyObject* self, PyObject*) {
    return guarded([&]() -> ref {
        const auto state = as_proxy(self)->state;
        if (state->monitor == nullptr)
            return visit(state, self, call_special, {}, nullptr, "__enter__");
        if (!state->home->is_open()) raise_gone(*state->home);
        if (!state->monitor->try_take()) hold(*state);
        return ref::borrow(self);
    });
}

// An exception crosses as those of calls do: as what it is where that can be had, with its
// traceback as text.
ref leave(const std::shared_ptr<shared_object>& state, PyObject* self, PyObject* const* arguments,
          const char* name) {
    struct parts {
        const char* name;
        data::remote_error error;
        bool is_error;
    } sent{name, {}, arguments[1] != Py_None};
    if (sent.is_error) {
        if (!PyExceptionInstance_Check(arguments[1])) {
            PyErr_SetString(PyExc_TypeError, "an exception is needed, or None");
            throw python_error();
        }
        PyErr_SetRaisedException(Py_NewRef(arguments[1]));
        sent.error = data::remote_error::take();
    }
    return visit(
        state, self,
        [](errand& given) {
            const auto& sent = *static_cast<const parts*>(given.extra);
            ref error;
            if (sent.is_error) {
                sent.error.raise();
                error = ref::steal(PyErr_GetRaisedException());
            }
            PyObject* value = error ? error.get() : Py_None;
            PyObject* type = error ? reinterpret_cast<PyObject*>(Py_TYPE(value)) : Py_None;
            return checked(
                PyObject_CallMethod(given.object, sent.name, "OOO", type, value, Py_None));
        },
        {}, nullptr, &sent);
}

template <text Name>
PyObject* proxy_exit(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&]() -> ref {
        if (count != 3) {
            PyErr_Format(PyExc_TypeError, "%s() takes 3 arguments", Name.characters);
            throw python_error();
        }
        const auto state = as_proxy(self)->state;
        if (state->monitor == nullptr || std::string_view(Name.characters) != "__exit__")
            return leave(state, self, arguments, Name.characters);
        if (!state->monitor->release()) {
            PyErr_SetString(PyExc_RuntimeError, "this thread does not hold it");
            throw python_error();
        }
        return ref::borrow(Py_None);
    });
}

PyObject* proxy_reversed(PyObject* self, PyObject*) {
    return guarded([&] {
        const auto state = as_proxy(self)->state;
        return visit(state, self, [](errand& given) -> ref {
            ref made = checked(
                PyObject_CallOneArg(reinterpret_cast<PyObject*>(&PyReversed_Type), given.object));
            if (given.out == nullptr) return made;
            given.out->put_object(share_part(*given.of, made.get()));
            return {};
        });
    });
}

PyObject* proxy_dir(PyObject* self, PyObject*) {
    return guarded([&] {
        const auto state = as_proxy(self)->state;
        return visit(state, self,
                     [](errand& given) { return checked(PyObject_Dir(given.object)); });
    });
}

PyObject* proxy_format(PyObject* self, PyObject* specification) {
    return guarded([&] {
        const auto state = as_proxy(self)->state;
        return visit(
            state, self,
            [](errand& given) { return checked(PyObject_Format(given.object, given.values[0])); },
            {&specification, 1});
    });
}

// bytes() and complex() of it: they look for more than one method.
template <PyTypeObject* Type>
PyObject* proxy_converted(PyObject* self, PyObject*) {
    return guarded([&] {
        const auto state = as_proxy(self)->state;
        return visit(state, self, [](errand& given) {
            return checked(PyObject_CallOneArg(reinterpret_cast<PyObject*>(Type), given.object));
        });
    });
}

PyObject* proxy_reduce(PyObject*, PyObject*) {
    PyErr_SetString(PyExc_TypeError,
                    "a proxy goes to other interpreters as it is, and can't be copied or pickled");
    return nullptr;
}

// What is done by one of Python's functions, as that looks for more than one method.
struct function_name {
    const char* module;
    const char* name;
};

template <text Module, text Name>
PyObject* by_function(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&] {
        const auto state = as_proxy(self)->state;
        const function_name function{Module.characters, Name.characters};
        return visit(
            state, self,
            [](errand& given) {
                const auto& function = *static_cast<const function_name*>(given.extra);
                ref module = checked(PyImport_ImportModule(function.module));
                ref found = checked(PyObject_GetAttrString(module.get(), function.name));
                PyObject** all = given.values - 1;
                *all = given.object;
                return checked(PyObject_Vectorcall(found.get(), all, 1 + given.count, nullptr));
            },
            {arguments, static_cast<std::size_t>(count)}, nullptr, &function);
    });
}

// NumPy's way to make an array of anything: always a copy, where the object is not at home.
PyObject* proxy_array(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                      PyObject* names) {
    return guarded([&] {
        const auto state = as_proxy(self)->state;
        const auto named = names == nullptr ? Py_ssize_t{0} : PyTuple_GET_SIZE(names);
        for (Py_ssize_t i = 0; i < named && !state->is_home(); i++) {
            if (PyUnicode_EqualToUTF8(PyTuple_GET_ITEM(names, i), "copy") == 0 ||
                arguments[count + i] != Py_False) {
                continue;
            }
            PyErr_SetString(PyExc_ValueError,
                            "an array of another interpreter can only be had as a copy");
            throw python_error();
        }
        // (No proxy for it, where the result is the object itself.)
        return visit(
            state, nullptr,
            [](errand& given) -> ref {
                PyObject** all = given.values - 1;
                *all = given.object;
                const auto named = given.names == nullptr ? 0 : PyTuple_GET_SIZE(given.names);
                ref name = checked(PyUnicode_InternFromString("__array__"));
                ref made = checked(PyObject_VectorcallMethod(
                    name.get(), all, 1 + given.count - static_cast<std::size_t>(named),
                    given.names));
                if (given.out == nullptr) return made;
                given.out->put(std::move(made), nullptr);
                return {};
            },
            {arguments, static_cast<std::size_t>(count + named)}, names);
    });
}

bool has_array_method(PyObject* self) {
    const auto state = as_proxy(self)->state;
    return visit(state, self, [](errand& given) {
               const int has = checked(PyObject_HasAttrStringWithError(given.object, "__array__"));
               return checked(PyBool_FromLong(has));
           }).get() == Py_True;
}

// Of an array's proxy below all arrays: one on the left then asks for a copy and does the operation
// itself, so that `array += proxy` changes the array. Of any other above all: the operation is done
// where the object is.
PyObject* proxy_array_priority(PyObject* self, void*) {
    return guarded(
        [&] { return checked(PyFloat_FromDouble(has_array_method(self) ? -1e9 : 1e9)); });
}

// Frames have another way to do that.
PyObject* proxy_pandas_priority(PyObject*, void*) {
    return PyFloat_FromDouble(1e9);
}

}  // namespace

PyMethodDef proxy_methods[] = {
    {"__enter__", proxy_enter, METH_NOARGS, nullptr},
    fast_method<proxy_exit<"__exit__">>("__exit__"),
    fast_method<special<"__aenter__">>("__aenter__"),
    fast_method<proxy_exit<"__aexit__">>("__aexit__"),
    {"__reversed__", proxy_reversed, METH_NOARGS, nullptr},
    {"__dir__", proxy_dir, METH_NOARGS, nullptr},
    {"__format__", proxy_format, METH_O, nullptr},
    {"__bytes__", proxy_converted<&PyBytes_Type>, METH_NOARGS, nullptr},
    {"__complex__", proxy_converted<&PyComplex_Type>, METH_NOARGS, nullptr},
    fast_method<by_function<"builtins", "round">>("__round__"),
    fast_method<by_function<"math", "trunc">>("__trunc__"),
    fast_method<by_function<"math", "floor">>("__floor__"),
    fast_method<by_function<"math", "ceil">>("__ceil__"),
    {"__array__", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(proxy_array)),
     METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"__reduce__", proxy_reduce, METH_NOARGS, nullptr},
    {"__reduce_ex__", proxy_reduce, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef proxy_properties[] = {
    {"__array_priority__", proxy_array_priority, nullptr, nullptr, nullptr},
    {"__pandas_priority__", proxy_pandas_priority, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

ref special_attribute(PyObject* self, PyObject* name) {
    ref own = ref::steal(PyObject_GenericGetAttr(self, name));
    if (own) {
        if (PyUnicode_EqualToUTF8(name, "__array__") == 0 || has_array_method(self)) return own;
        PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute '__array__'",
                     as_proxy(self)->state->type_name.c_str());
        throw python_error();
    }
    if (PyErr_ExceptionMatches(PyExc_AttributeError) == 0) throw python_error();
    // What else NumPy asks for is about the address of the memory, or for arrays of one
    // interpreter.
    const ref protocol = checked(PyUnicode_FromString("__array_"));
    if (PyUnicode_Tailmatch(name, protocol.get(), 0, PY_SSIZE_T_MAX, -1) != 0) throw python_error();
    PyErr_Clear();
    return {};
}

}  // namespace allcores::bindings
