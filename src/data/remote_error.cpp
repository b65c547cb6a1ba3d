#include "data/remote_error.h"

#include "data/guarded.h"

namespace allcores::data {
namespace {

// Text that can hold lone surrogates, as file names do.
std::string utf8(PyObject* text) {
    ref bytes = ref::steal(PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass"));
    if (!bytes) throw python_error();
    return {PyBytes_AS_STRING(bytes.get()),
            static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get()))};
}

ref text(const std::string& utf8) {
    return checked(
        PyUnicode_DecodeUTF8(utf8.data(), static_cast<Py_ssize_t>(utf8.size()), "surrogatepass"));
}

}  // namespace

remote_error remote_error::take() noexcept {
    remote_error error;
    ref exception = ref::steal(PyErr_GetRaisedException());
    try {
        error.type = exception ? Py_TYPE(exception.get())->tp_name : "SystemError";
        if (!exception) return error;
        ref functions = checked(PyImport_ImportModule("allcores._functions"));
        ref parts = checked(
            PyObject_CallMethod(functions.get(), "describe_exception", "O", exception.get()));
        PyObject *type, *message, *traceback;
        const char* pickled;
        Py_ssize_t pickled_size;
        if (!PyArg_ParseTuple(parts.get(), "UUUy#", &type, &message, &traceback, &pickled,
                              &pickled_size)) {
            throw python_error();
        }
        error.type = utf8(type);
        error.message = utf8(message);
        error.traceback = utf8(traceback);
        error.pickled.assign(pickled, static_cast<std::size_t>(pickled_size));
    } catch (...) {
        // Out of memory or of descriptors, or the interpreter is ending: the type's name has to do,
        // and what the exception says by itself.
        PyErr_Clear();
        ref said = exception ? ref::steal(PyObject_Str(exception.get())) : ref();
        const char* text = said ? PyUnicode_AsUTF8(said.get()) : nullptr;
        if (text != nullptr) error.message = text;
        PyErr_Clear();
    }
    return error;
}

void remote_error::raise() const noexcept {
    guarded([&] {
        ref functions = checked(PyImport_ImportModule("allcores._functions"));
        ref type_text = text(type), message_text = text(message), traceback_text = text(traceback);
        ref exception = checked(PyObject_CallMethod(
            functions.get(), "arrived_exception", "OOOy#", type_text.get(), message_text.get(),
            traceback_text.get(), pickled.data(), static_cast<Py_ssize_t>(pickled.size())));
        PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.get())), exception.get());
    });
}

}  // namespace allcores::data
