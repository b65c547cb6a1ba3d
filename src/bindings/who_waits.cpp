#include "bindings/who_waits.h"

#include <Python.h>

#include <format>
#include <string_view>

#include "data/ref.h"
#include "interpreter/interpreter.h"

namespace allcores::bindings {
namespace {

using data::ref;

// Of an object that should be a str; empty where it is not, or can't be shown.
std::string text_of(PyObject* object) {
    const char* text =
        object != nullptr && PyUnicode_Check(object) ? PyUnicode_AsUTF8(object) : nullptr;
    if (text == nullptr) PyErr_Clear();
    return text == nullptr ? "" : text;
}

// The innermost Python function that is not one of the package's own, which only pass on a call.
std::string place() {
    ref frame =
        ref::steal(reinterpret_cast<PyObject*>(PyThreadState_GetFrame(PyThreadState_Get())));
    while (frame.get() != nullptr) {
        auto* now = reinterpret_cast<PyFrameObject*>(frame.get());
        const ref code = ref::steal(reinterpret_cast<PyObject*>(PyFrame_GetCode(now)));
        const auto* what = reinterpret_cast<PyCodeObject*>(code.get());
        const std::string file = text_of(what->co_filename);
        if (!std::string_view(file).contains("/allcores/_"))
            return std::format(", at {}:{} in {}", file, PyFrame_GetLineNumber(now),
                               text_of(what->co_qualname));
        frame = ref::steal(reinterpret_cast<PyObject*>(PyFrame_GetBack(now)));
    }
    return "";
}

std::string home() {
    PyInterpreterState* here = PyInterpreterState_Get();
    if (here == PyInterpreterState_Main()) return " of the main interpreter";
    const auto* own = interpreter::interpreter::current();
    const std::string name = own == nullptr ? "" : std::format(" \"{}\"", own->name());
    return std::format(" of interpreter {}{}", PyInterpreterState_GetID(here), name);
}

}  // namespace

std::string who_waits(const std::string& what) {
    return home() + ": " + what + place();
}

}  // namespace allcores::bindings
