// allcores._core.ProxyMethod: a method of a shared object. Calling it is one visit, to call the
// method by its name.
#include "bindings/module.h"
#include "bindings/proxy_object.h"
#include "data/guarded.h"

namespace allcores::bindings {

using data::checked;
using data::guarded;
using data::ref;
using data::shared_method;

namespace {

struct method_object {
    PyObject_HEAD std::shared_ptr<shared_method> state;
    vectorcallfunc call;
};

method_object* as_method(PyObject* self) {
    return reinterpret_cast<method_object*>(self);
}

ref call_by_name(errand& given) {
    const auto& method = *static_cast<const shared_method*>(given.extra);
    PyObject* name = method.name.get();
    if (name == nullptr) raise_gone(*given.of->home);
    const std::size_t named =
        given.names == nullptr ? 0 : static_cast<std::size_t>(PyTuple_GET_SIZE(given.names));
    PyObject** arguments = given.values - 1;
    *arguments = given.object;
    return checked(PyObject_VectorcallMethod(
        name, arguments, (1 + given.count - named) | PY_VECTORCALL_ARGUMENTS_OFFSET, given.names));
}

PyObject* method_call(PyObject* self, PyObject* const* arguments, std::size_t flags,
                      PyObject* names) {
    return guarded([&] {
        const std::shared_ptr<shared_method> method = as_method(self)->state;
        auto count = static_cast<std::size_t>(PyVectorcall_NARGS(flags));
        if (names != nullptr) count += static_cast<std::size_t>(PyTuple_GET_SIZE(names));
        return visit(method->of, nullptr, call_by_name, {arguments, count}, names, method.get());
    });
}

void method_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    std::destroy_at(&as_method(self)->state);
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* method_name(PyObject* self, void*) {
    const std::string& text = as_method(self)->state->text;
    return PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogatepass");
}

PyObject* method_self(PyObject* self, void*) {
    return guarded([&] { return make_proxy(as_method(self)->state->of); });
}

PyObject* method_repr(PyObject* self) {
    return guarded([&] {
        ref name = checked(method_name(self, nullptr));
        const data::shared_object& of = *as_method(self)->state->of;
        return checked(PyUnicode_FromFormat("<method %U of %s in the interpreter \"%s\">",
                                            name.get(), of.type_name.c_str(),
                                            of.home->name().c_str()));
    });
}

Py_hash_t method_hash(PyObject* self) {
    const shared_method& method = *as_method(self)->state;
    const auto hash = static_cast<Py_hash_t>(std::hash<std::string>()(method.text)) ^
                      Py_HashPointer(method.of.get());
    return hash == -1 ? -2 : hash;
}

PyObject* method_compare(PyObject* self, PyObject* other, int operation) {
    if (Py_TYPE(other) != Py_TYPE(self) || (operation != Py_EQ && operation != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    const shared_method& one = *as_method(self)->state;
    const shared_method& two = *as_method(other)->state;
    return PyBool_FromLong((one.of == two.of && one.text == two.text) == (operation == Py_EQ));
}

PyMemberDef method_members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(method_object, call), Py_READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyGetSetDef method_properties[] = {
    {"__name__", method_name, nullptr, nullptr, nullptr},
    {"__self__", method_self, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot method_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(method_dealloc)},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_members, method_members},
    {Py_tp_getset, method_properties},
    {Py_tp_repr, reinterpret_cast<void*>(method_repr)},
    {Py_tp_hash, reinterpret_cast<void*>(method_hash)},
    {Py_tp_richcompare, reinterpret_cast<void*>(method_compare)},
    {0, nullptr},
};

PyType_Spec method_spec = {
    "allcores._core.ProxyMethod",
    sizeof(method_object),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
        Py_TPFLAGS_HAVE_VECTORCALL,
    method_slots,
};

ref make_of(PyTypeObject* type, std::shared_ptr<shared_method> state) {
    ref made = checked(PyType_GenericAlloc(type, 0));
    std::construct_at(&as_method(made.get())->state, std::move(state));
    as_method(made.get())->call = method_call;
    return made;
}

}  // namespace

// At home it is the method itself.
const data::pointer_type method_crossing = {
    [](PyObject* self) -> std::shared_ptr<void> { return as_method(self)->state; },
    [](PyTypeObject* type, std::shared_ptr<void> state) -> PyObject* {
        auto method = std::static_pointer_cast<shared_method>(std::move(state));
        if (method->of->is_home() && method->of->object.get() != nullptr)
            return checked(PyObject_GetAttr(method->of->object.get(), method->name.get()))
                .release();
        return make_of(type, std::move(method)).release();
    },
};

ref make_method(std::shared_ptr<shared_method> state) {
    return make_of(data::class_for(&method_crossing), std::move(state));
}

int add_proxy_method(PyObject* module) {
    return guarded([&] {
        ref type = checked(PyType_FromModuleAndSpec(module, &method_spec, nullptr));
        checked(PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())));
        data::cross_by_pointer(reinterpret_cast<PyTypeObject*>(type.get()), &method_crossing);
    });
}

}  // namespace allcores::bindings
