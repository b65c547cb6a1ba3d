// allcores.Proxy: an object that lives in another interpreter. Operators are in
// proxy_operators.cpp, its own methods in proxy_special.cpp, the object's in proxy_method.cpp, the
// way there and back in proxy_visit.cpp.
#include <algorithm>
#include <string_view>
#include <vector>

#include "bindings/module.h"
#include "bindings/proxy_object.h"
#include "data/guarded.h"
#include "interpreter/interrupts.h"
#include "interpreter/main_thread.h"
#include "interpreter/process.h"

namespace allcores::bindings {

using data::checked;
using data::guarded;
using data::python_error;
using data::ref;
using data::shared_method;
using data::shared_object;

namespace {

void proxy_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    proxy_object* own = as_proxy(self);
    if (own->weak_references != nullptr) PyObject_ClearWeakRefs(self);
    for (const auto& each : own->known) {
        Py_XDECREF(each.name);
        Py_XDECREF(each.method);
    }
    std::destroy_at(&own->state);
    type->tp_free(self);
    Py_DECREF(type);
}

// What is called where it is, instead of being sent.
bool is_method(PyObject* value) {
    return PyMethod_Check(value) || PyFunction_Check(value) || PyCFunction_Check(value) ||
           PyType_HasFeature(Py_TYPE(value), Py_TPFLAGS_METHOD_DESCRIPTOR) ||
           std::string_view(Py_TYPE(value)->tp_name) == "method-wrapper";
}

// Whether an attribute is one of the object's class, of a class or of a module: taken for the same
// kind of thing from then on.
bool lasts(PyObject* object, PyObject* value) {
    if (PyModule_Check(object) || PyType_Check(object)) return true;
    if (PyMethod_Check(value)) return PyMethod_GET_SELF(value) == object;
    return PyCFunction_Check(value) && PyCFunction_GET_SELF(value) == object;
}

ref get_attribute(errand& given) {
    PyObject* name = given.values[0];
    ref value = checked(PyObject_GetAttr(given.object, name));
    if (given.out == nullptr || !is_method(value.get())) return value;
    auto method = std::make_shared<shared_method>();
    method->of = given.of;
    ref bytes = checked(PyUnicode_AsEncodedString(name, "utf-8", "surrogatepass"));
    method->text = PyBytes_AS_STRING(bytes.get());
    PyObject* interned = Py_NewRef(name);
    PyUnicode_InternInPlace(&interned);
    method->name = data::resident(given.of->home, interned);
    given.out->put_method(std::move(method), lasts(given.object, value.get()));
    return {};
}

bool is_special(PyObject* name) {
    const Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    const auto is_line = [&](Py_ssize_t i) { return PyUnicode_READ_CHAR(name, i) == '_'; };
    return length > 4 && is_line(0) && is_line(1) && is_line(length - 1) && is_line(length - 2);
}

void remember(proxy_object* self, PyObject* name, PyObject* method) {
    auto& place = self->known[self->known_next++ % proxy_object::most_known];
    const ref old_name = ref::steal(std::exchange(place.name, Py_NewRef(name)));
    const ref old_method = ref::steal(std::exchange(place.method, Py_NewRef(method)));
}

PyObject* proxy_get_attribute(PyObject* self, PyObject* name) {
    for (const auto& each : as_proxy(self)->known) {
        if (each.name == name) return Py_NewRef(each.method);
    }
    return guarded([&]() -> ref {
        const auto state = as_proxy(self)->state;
        if (is_special(name)) {
            // `__class__` and the like are the proxy's own.
            ref own = special_attribute(self, name);
            if (own) return own;
        }
        bool lasting = false;
        ref value = visit(state, self, get_attribute, {&name, 1}, nullptr, nullptr, &lasting);
        if (lasting && PyUnicode_CHECK_INTERNED(name) != 0)
            remember(as_proxy(self), name, value.get());
        return value;
    });
}

int proxy_set_attribute(PyObject* self, PyObject* name, PyObject* value) {
    return guarded([&] {
        const auto state = as_proxy(self)->state;
        PyObject* both[] = {name, value};
        static_cast<void>(
            visit(state, self,
                  [](errand& given) {
                      if (given.count == 2)
                          checked(PyObject_SetAttr(given.object, given.values[0], given.values[1]));
                      else
                          checked(PyObject_DelAttr(given.object, given.values[0]));
                      return ref::borrow(Py_None);
                  },
                  {both, value == nullptr ? std::size_t{1} : std::size_t{2}}));
    });
}

PyObject* proxy_call(PyObject* self, PyObject* const* arguments, std::size_t flags,
                     PyObject* names) {
    return guarded([&] {
        const auto state = as_proxy(self)->state;
        auto count = static_cast<std::size_t>(PyVectorcall_NARGS(flags));
        if (names != nullptr) count += static_cast<std::size_t>(PyTuple_GET_SIZE(names));
        return visit(
            state, self,
            [](errand& given) {
                const auto named = given.names == nullptr
                                       ? std::size_t{0}
                                       : static_cast<std::size_t>(PyTuple_GET_SIZE(given.names));
                return checked(PyObject_Vectorcall(
                    given.object, given.values,
                    (given.count - named) | PY_VECTORCALL_ARGUMENTS_OFFSET, given.names));
            },
            {arguments, count}, names);
    });
}

PyObject* proxy_repr(PyObject* self) {
    const shared_object& of = *as_proxy(self)->state;
    return PyUnicode_FromFormat("<allcores.Proxy of %s in the interpreter \"%s\"%s>",
                                of.type_name.c_str(), of.home->name().c_str(),
                                of.home->is_open() ? "" : ", ended");
}

PyMemberDef proxy_members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(proxy_object, call), Py_READONLY, nullptr},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(proxy_object, weak_references), Py_READONLY,
     nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyDoc_STRVAR(proxy_doc,
             "An object that lives in another interpreter; allcores.share() makes these.\n\n"
             "What is done with it is done there, on the calling thread and under that "
             "interpreter's GIL.\nArguments and results are copied.");

ref make_of(PyTypeObject* type, std::shared_ptr<shared_object> state) {
    ref made = checked(PyType_GenericAlloc(type, 0));
    std::construct_at(&as_proxy(made.get())->state, std::move(state));
    as_proxy(made.get())->call = proxy_call;
    return made;
}

// _share(obj, loop, with_monitor: bool)
PyObject* share(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&]() -> ref {
        if (count != 3) {
            PyErr_SetString(PyExc_TypeError, "_share(obj, loop, with_monitor)");
            throw python_error();
        }
        if (is_proxy(arguments[0])) return ref::borrow(arguments[0]);
        return make_proxy(data::share(arguments[0], arguments[1], arguments[2] == Py_True));
    });
}

// _keep_home(proxy, handle): the handle's interpreter lives as long as the object's proxies.
PyObject* keep(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&] {
        const data::pointer_type* how =
            count == 2 ? data::pointer_type_of(Py_TYPE(arguments[1])) : nullptr;
        if (how == nullptr) {
            PyErr_SetString(PyExc_TypeError, "_keep_home(proxy, handle)");
            throw python_error();
        }
        shared_by(arguments[0])->keeps = how->state_of(arguments[1]);
        return ref::borrow(Py_None);
    });
}

int tidy_main(void*) {
    interpreter::door& main = *interpreter::process::get().main;
    if (main.is_open()) main.tidy();
    return 0;
}

// Others may call into the main interpreter from now on, until process::end_main().
void open_main() {
    interpreter::door& main = *interpreter::process::get().main;
    if (PyInterpreterState_Get() != PyInterpreterState_Main() || main.state() != nullptr) return;
    if (interpreter::is_main_thread()) interpreter::interrupts::begin();
    // When CPython's queue is full, whoever comes in next tidies up.
    main.open(PyInterpreterState_Get(), [] { Py_AddPendingCall(tidy_main, nullptr); });
}

PyMethodDef functions[] = {
    fast_method<share>("_share"),
    fast_method<keep>("_keep_home"),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

bool is_proxy(PyObject* object) {
    return Py_TYPE(object)->tp_dealloc == proxy_dealloc;
}

const std::shared_ptr<shared_object>& shared_by(PyObject* object) {
    if (!is_proxy(object)) {
        PyErr_Format(PyExc_TypeError, "a Proxy is needed, not a %s", Py_TYPE(object)->tp_name);
        throw python_error();
    }
    return as_proxy(object)->state;
}

// One that comes home is the object itself.
const data::pointer_type proxy_crossing = {
    [](PyObject* self) -> std::shared_ptr<void> { return as_proxy(self)->state; },
    [](PyTypeObject* type, std::shared_ptr<void> state) -> PyObject* {
        auto shared = std::static_pointer_cast<shared_object>(std::move(state));
        if (shared->is_home() && shared->object.get() != nullptr)
            return Py_NewRef(shared->object.get());
        return make_of(type, std::move(shared)).release();
    },
};

ref make_proxy(std::shared_ptr<shared_object> state) {
    return make_of(data::class_for(&proxy_crossing), std::move(state));
}

int add_proxy(PyObject* module) {
    return guarded([&] {
        std::vector<PyType_Slot> slots = {
            {Py_tp_doc, const_cast<char*>(proxy_doc)},
            {Py_tp_dealloc, reinterpret_cast<void*>(proxy_dealloc)},
            {Py_tp_getattro, reinterpret_cast<void*>(proxy_get_attribute)},
            {Py_tp_setattro, reinterpret_cast<void*>(proxy_set_attribute)},
            {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
            {Py_tp_repr, reinterpret_cast<void*>(proxy_repr)},
            {Py_tp_methods, proxy_methods},
            {Py_tp_members, proxy_members},
            {Py_tp_getset, proxy_properties},
        };
        for (const PyType_Slot* each = proxy_operators; each->slot != 0; each++)
            slots.push_back(*each);
        slots.push_back({0, nullptr});
        PyType_Spec spec = {
            "allcores.Proxy",
            sizeof(proxy_object),
            0,
            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
                Py_TPFLAGS_HAVE_VECTORCALL,
            slots.data(),
        };
        ref type = checked(PyType_FromModuleAndSpec(module, &spec, nullptr));
        checked(PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())));
        data::cross_by_pointer(reinterpret_cast<PyTypeObject*>(type.get()), &proxy_crossing);
        checked(PyModule_AddFunctions(module, functions));
        open_main();
        return add_proxy_method(module);
    });
}

}  // namespace allcores::bindings
