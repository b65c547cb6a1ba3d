// What Python's classes make of themselves, and what is said when an object can't be frozen.
#include <string>

#include "data/freezer.h"

namespace allcores::data {

namespace {

std::string text_of(PyObject* string) {
    const char* text = string == nullptr ? nullptr : PyUnicode_AsUTF8(string);
    if (text == nullptr) {
        PyErr_Clear();
        return "?";
    }
    return text;
}

std::string type_name(PyObject* object) {
    PyObject* name = PyType_GetFullyQualifiedName(Py_TYPE(object));
    std::string result = text_of(name);
    Py_XDECREF(name);
    return result;
}

// As a key is written in a program, when that needs none of the user's code.
std::string key_text(PyObject* key) {
    constexpr std::size_t longest = 60;
    if (!PyUnicode_CheckExact(key) && !PyLong_CheckExact(key) && !PyBytes_CheckExact(key) &&
        !PyFloat_CheckExact(key) && !PyBool_Check(key) && key != Py_None) {
        return "<" + type_name(key) + ">";
    }
    PyObject* shown = PyObject_Repr(key);
    std::string text = text_of(shown);
    Py_XDECREF(shown);
    if (text.size() > longest) {
        std::size_t end = longest;
        while ((text[end] & 0xC0) == 0x80) end--;
        text = text.substr(0, end) + "...";
    }
    return text;
}

}  // namespace

std::string freezer::path() const {
    constexpr std::size_t most = 24;
    std::string text = "data";
    for (std::size_t i = 0; i < frames_.size(); i++) {
        if (frames_.size() > most && i == most / 2) {
            text += "[...]";
            i = frames_.size() - most / 2;
        }
        const frame& open = frames_[i];
        if (open.next == 0) break;
        const std::size_t word = open.next - 1;
        switch (open.words) {
            case layout::items:
                text += "[" + std::to_string(word) + "]";
                break;
            case layout::table:
                text += "{" + std::to_string(word / 2) + "}";
                break;
            case layout::pairs:
            case layout::entries: {
                const std::size_t step = open.words == layout::pairs ? 2 : 3;
                const std::size_t key = word / step * step + step - 2;
                if (word == key) {
                    text += ".keys()[" + std::to_string(word / step) + "]";
                } else if (open.kind == shape_kind::dataclass) {
                    text += "." + text_of(open.source[key]);
                } else {
                    text += "[" + key_text(open.source[key]) + "]";
                }
            }
        }
    }
    return text;
}

void freezer::refuse(PyObject* object, const char* why) {
    refuse(type_name(object) + " cannot be frozen" + (*why != '\0' ? ": " : "") + why);
}

void freezer::refuse(const std::string& what) {
    const std::string message = "freeze: " + path() + ": " + what;
    PyErr_SetString(PyExc_TypeError, message.c_str());
    throw python_error();
}

class_shape* freezer::describe(shape_kind kind, PyObject* module, PyObject* qualified_name,
                               PyObject* member) {
    auto* shape = reinterpret_cast<class_shape*>(arena_.allocate(sizeof(class_shape)));
    const auto string = [&](PyObject* text) { return is_settled(text) ? text : copy_str(text, 0); };
    *shape = {kind, string(module), string(qualified_name),
              member == Py_None ? Py_None : string(member)};
    return shape;
}

// Members of enumerations, named tuples and dataclass instances, by what
// allcores._frozen.describe() says of them; all else is refused. Runs the user's code (properties,
// __getattr__, imports).
PyObject* freezer::convert(PyObject* object, PyTypeObject*, shape_word outer) {
    if (!careful_) throw needs_care();
    if (Py_EnterRecursiveCall(" while freezing the value of an enumeration")) throw python_error();
    struct leave {
        ~leave() { Py_LeaveRecursiveCall(); }
    } const leave_at_end;
    if (frozen_module_ == nullptr) {
        frozen_module_ = PyImport_ImportModule("allcores._frozen");
        if (frozen_module_ == nullptr) throw python_error();
    }
    PyObject* name = PyUnicode_FromString("describe");
    PyObject* answer =
        name == nullptr ? nullptr : PyObject_CallMethodOneArg(frozen_module_, name, object);
    Py_XDECREF(name);
    if (answer == nullptr) throw python_error();
    // Kept until the end: what it holds is read below, and may be known to nobody else.
    kept_.push_back(answer);
    if (PyUnicode_Check(answer)) refuse(object, text_of(answer).c_str());
    int kind_number = 0, changes_hash = 0;
    PyObject *module = nullptr, *qualified_name = nullptr, *member = nullptr, *content = nullptr;
    if (!PyArg_ParseTuple(answer, "iUUOpO", &kind_number, &module, &qualified_name, &member,
                          &changes_hash, &content)) {
        throw python_error();
    }
    const auto kind = static_cast<shape_kind>(kind_number);
    const shape_word shape =
        outer != 0 ? outer : word_of(describe(kind, module, qualified_name, member));
    PyObject* made = nullptr;
    switch (kind) {
        case shape_kind::named_tuple: {
            auto* tuple = reinterpret_cast<PyTupleObject*>(object);
            made = open_items(object, tuple->ob_item, Py_SIZE(tuple), shape);
            break;
        }
        case shape_kind::dataclass: {
            PyObject_GC_UnTrack(content);
            made = open_mapping(object, content, shape);
            frames_.back().kind = shape_kind::dataclass;
            break;
        }
        default:
            // The value gets an object of its own that remembers the member; True, False and None
            // can't.
            made = content == Py_None || PyBool_Check(content)
                       ? content
                       : copy(content, Py_TYPE(content), shape);
    }
    converted_ = converted_ || changes_hash != 0;
    return made;
}

}  // namespace allcores::data
