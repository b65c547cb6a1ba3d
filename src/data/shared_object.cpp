#include "data/shared_object.h"

#include "data/guarded.h"
#include "interpreter/process.h"

namespace allcores::data {
namespace {

using interpreter::door;

resident::node*& list_of(door& home) {
    return reinterpret_cast<resident::node*&>(home.shared_objects);
}

// The home ends: its objects go while Python still works there.
void take_back(door& home) noexcept {
    while (resident::node* first = list_of(home)) {
        list_of(home) = first->next_one;
        if (first->next_one != nullptr) first->next_one->previous = nullptr;
        first->next_one = nullptr;
        first->home = nullptr;
        Py_CLEAR(first->object);
    }
}

[[noreturn]] void refuse() {
    PyErr_SetString(PyExc_RuntimeError,
                    "nothing can be shared here: this interpreter is ending, or is neither the "
                    "main one nor an allcores.Interpreter");
    throw python_error();
}

}  // namespace

resident::resident(const std::shared_ptr<door>& home, PyObject* object) : home_(home) {
    ref owned = ref::steal(object);
    if (home->state() == nullptr) refuse();
    kept_ = new node;
    kept_->home = home.get();
    kept_->object = owned.release();
    node*& first = list_of(*home);
    kept_->next_one = first;
    if (first != nullptr) first->previous = kept_;
    first = kept_;
    home->set_before_end(take_back);
}

resident::~resident() {
    if (kept_ == nullptr) return;
    if (home_->is_current()) {
        // A destructor may run while an exception is on its way.
        PyObject* raised = PyErr_GetRaisedException();
        kept_->let_go(true);
        PyErr_SetRaisedException(raised);
    } else {
        home_->leave_behind(kept_);
    }
}

void resident::node::let_go(bool at_home) noexcept {
    PyObject* last = nullptr;
    if (at_home && home != nullptr) {
        (previous == nullptr ? list_of(*home) : previous->next_one) = next_one;
        if (next_one != nullptr) next_one->previous = previous;
        last = object;
    }
    delete this;
    Py_XDECREF(last);
}

std::string type_name(PyObject* object) {
    PyTypeObject* type = Py_TYPE(object);
    std::string name = type->tp_name;
    if (PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) {
        ref module = checked(PyType_GetModuleName(type));
        ref qualified = checked(PyType_GetQualName(type));
        const char* text = PyUnicode_AsUTF8(qualified.get());
        if (text == nullptr) throw python_error();
        name = text;
        const char* from = PyUnicode_Check(module.get()) ? PyUnicode_AsUTF8(module.get()) : nullptr;
        if (from == nullptr)
            PyErr_Clear();
        else if (std::string_view(from) != "__main__" && std::string_view(from) != "builtins")
            name = std::string(from) + "." + name;
    }
    return name;
}

std::shared_ptr<shared_object> share(PyObject* object, PyObject* loop, bool with_monitor) {
    auto made = std::make_shared<shared_object>();
    made->home = interpreter::process::get().current_door();
    if (made->home == nullptr) refuse();
    made->type_name = type_name(object);
    made->object = resident(made->home, Py_NewRef(object));
    if (loop != nullptr && loop != Py_None) made->loop = resident(made->home, Py_NewRef(loop));
    if (with_monitor) made->monitor = std::make_shared<concurrency::monitor>();
    return made;
}

}  // namespace allcores::data
