// The way back: ordinary objects of the types that were frozen, with the same sharing and cycles.
// Iterative like freezing. The frozen side never changes, so code of the user's that runs in
// between (importing a class, hashing a member of an enumeration) can do no harm to it; what is
// half made is kept out of the GC's lists until it is whole.
#include "data/frozen_layout.h"
// After CPython's internal headers:
#include <memory>
#include <vector>

#include "data/freeze.h"
#include "data/freeze_memo.h"

namespace allcores::data {

namespace {

struct python_error {};

PyObject* checked(PyObject* object) {
    if (object == nullptr) throw python_error();
    return object;
}

class thawer {
 public:
    ~thawer() {
        for (PyObject* object : made_) Py_DECREF(object);
        Py_XDECREF(module_);
    }

    // A new reference.
    PyObject* run(PyObject* root) {
        PyObject* result = place(root);
        while (!frames_.empty()) {
            if (!advance()) finish();
        }
        for (PyObject* object : whole_) PyObject_GC_Track(object);
        return Py_NewRef(final_of(result));
    }

 private:
    enum class sort { items, frozenset, set, mapping, frozendict, fields };

    struct frame {
        PyObject* origin;
        PyObject* made;  // borrowed from made_; null until finished for frozenset and frozendict
        sort what;
        std::vector<PyObject*> children;  // frozen; replaced one by one by borrowed thawed ones
        std::size_t next = 0;
    };

    // Keeps a new object alive until the end, and finds it again by its origin.
    PyObject* own(PyObject* origin, PyObject* object) {
        made_.push_back(checked(object));
        if (origin != nullptr) memo_.insert(origin, reinterpret_cast<std::uintptr_t>(object));
        return object;
    }

    PyObject* module() {
        if (module_ == nullptr) module_ = checked(PyImport_ImportModule("allcores._frozen"));
        return module_;
    }

    PyObject* enum_member(PyObject* origin, const class_shape* shape) {
        return own(origin, PyObject_CallMethod(module(), "member", "OOOO", shape->module,
                                               shape->qualified_name, shape->member, origin));
    }

    // The ordinary form: borrowed. For a container that is not made yet, null and a new last frame.
    PyObject* place(PyObject* object) {
        if (const std::uintptr_t* known = memo_.find(object)) {
            if (*known == 0) {
                PyErr_SetString(PyExc_ValueError,
                                "thaw: a cycle through a frozenset or frozendict");
                throw python_error();
            }
            return reinterpret_cast<PyObject*>(*known);
        }
        PyTypeObject* type = Py_TYPE(object);
        const shape_word word = shape_of(object);
        const class_shape* shape = class_of(word);
        if (shape != nullptr && shape->kind == shape_kind::enumeration)
            return enum_member(object, shape);
        if (type == &PyTuple_Type) return place_items(object, word, shape);
        if (type == &PyFrozenSet_Type) return place_set(object, word);
        if (memory::frozen_space::contains(object) &&
            (type == mapping_type() || type == &PyDict_Type)) {
            return place_mapping(object, word, shape);
        }
        if (type == &PyBytes_Type && kind_of(word) == shape_kind::bytearray) {
            return own(object, PyByteArray_FromStringAndSize(PyBytes_AS_STRING(object),
                                                             PyBytes_GET_SIZE(object)));
        }
        return object;  // can't change, and is never freed
    }

    PyObject* place_items(PyObject* object, shape_word word, const class_shape* shape) {
        const Py_ssize_t size = PyTuple_GET_SIZE(object);
        PyObject* made = nullptr;
        if (kind_of(word) == shape_kind::list) {
            made = checked(PyList_New(size));
        } else if (shape != nullptr && shape->kind == shape_kind::named_tuple) {
            PyObject* found =
                own(nullptr, PyObject_CallMethod(module(), "tuple_class", "OO", shape->module,
                                                 shape->qualified_name));
            auto* type = reinterpret_cast<PyTypeObject*>(found);
            made = checked(type->tp_alloc(type, size));
            reinterpret_cast<PyTupleObject*>(made)->ob_hash = -1;
        } else if (size == 0) {
            return object;
        } else {
            made = checked(PyTuple_New(size));
        }
        // Half made: nobody may meet it through gc.get_objects().
        PyObject_GC_UnTrack(made);
        own(object, made);
        whole_.push_back(made);
        frame& open = frames_.emplace_back(object, made, sort::items);
        auto* tuple = reinterpret_cast<PyTupleObject*>(object);
        open.children.assign(tuple->ob_item, tuple->ob_item + size);
        return made;
    }

    PyObject* place_set(PyObject* object, shape_word word) {
        PyObject* made = nullptr;
        const bool is_set = kind_of(word) == shape_kind::set;
        if (is_set) {
            made = own(object, PySet_New(nullptr));
        } else {
            memo_.insert(object, 0);
        }
        frame& open = frames_.emplace_back(object, made, is_set ? sort::set : sort::frozenset);
        auto* set = reinterpret_cast<PySetObject*>(object);
        for (Py_ssize_t i = 0; i <= set->mask; i++) {
            if (set->table[i].key != nullptr && set->table[i].hash != -1) {
                open.children.push_back(set->table[i].key);
            }
        }
        return made;
    }

    PyObject* place_mapping(PyObject* object, shape_word word, const class_shape* shape) {
        PyObject* made = nullptr;
        sort what = sort::mapping;
        const shape_kind kind = kind_of(word);
        if (shape != nullptr && shape->kind == shape_kind::dataclass) {
            made = own(object, PyObject_CallMethod(module(), "instance", "OO", shape->module,
                                                   shape->qualified_name));
            what = sort::fields;
        } else if (kind == shape_kind::proxy) {
            PyObject* dict = own(nullptr, PyDict_New());
            made = own(object, PyDictProxy_New(dict));
        } else if (kind == shape_kind::frozendict) {
            memo_.insert(object, 0);
            what = sort::frozendict;
        } else {
            made = own(object, PyDict_New());
        }
        frame& open = frames_.emplace_back(object, made, what);
        // A dict that was got at behind its read-only view is its own table.
        auto* table = Py_IS_TYPE(object, &PyDict_Type)
                          ? object
                          : reinterpret_cast<PyObject*>(table_of(object));
        Py_ssize_t position = 0;
        PyObject *key = nullptr, *value = nullptr;
        while (PyDict_Next(table, &position, &key, &value)) {
            open.children.push_back(key);
            open.children.push_back(value);
        }
        return made;
    }

    bool advance() {
        const std::size_t depth = frames_.size();
        while (true) {
            frame& open = frames_[depth - 1];
            if (open.next == open.children.size()) return false;
            PyObject* child = place(open.children[open.next]);
            frame& again = frames_[depth - 1];  // place() may have moved it
            if (child != nullptr) again.children[again.next] = child;
            again.next++;
            if (frames_.size() != depth) return true;
        }
    }

    // A child that was opened without having an object yet is still the frozen one in `children`.
    PyObject* final_of(PyObject* child) {
        if (child == nullptr) return reinterpret_cast<PyObject*>(*memo_.find(root_pending_));
        return child;
    }

    void fill_dict(PyObject* dict, const std::vector<PyObject*>& children) {
        for (std::size_t i = 0; i < children.size(); i += 2) {
            if (PyDict_SetItem(dict, children[i], children[i + 1]) < 0) throw python_error();
        }
    }

    // Gives the parent's place in `children` the object that took until now to be made.
    void deliver(PyObject* origin, PyObject* object) {
        made_.push_back(checked(object));
        *memo_.find(origin) = reinterpret_cast<std::uintptr_t>(object);
        if (frames_.size() > 1) {
            frame& parent = frames_[frames_.size() - 2];
            parent.children[parent.next - 1] = object;
        } else {
            root_pending_ = origin;
        }
    }

    void finish() {
        frame& open = frames_.back();
        switch (open.what) {
            case sort::items: {
                const auto size = static_cast<Py_ssize_t>(open.children.size());
                PyObject** items = PyList_Check(open.made)
                                       ? reinterpret_cast<PyListObject*>(open.made)->ob_item
                                       : reinterpret_cast<PyTupleObject*>(open.made)->ob_item;
                for (Py_ssize_t i = 0; i < size; i++) items[i] = Py_NewRef(open.children[i]);
                break;
            }
            case sort::set:
                for (PyObject* child : open.children) {
                    if (PySet_Add(open.made, child) < 0) throw python_error();
                }
                break;
            case sort::frozenset: {
                PyObject* made = PyFrozenSet_New(nullptr);
                if (made != nullptr && !open.children.empty()) {
                    const std::unique_ptr<PyObject, void (*)(PyObject*)> elements(
                        PyList_New(0), [](PyObject* list) { Py_XDECREF(list); });
                    Py_DECREF(made);
                    checked(elements.get());
                    for (PyObject* child : open.children) {
                        if (PyList_Append(elements.get(), child) < 0) throw python_error();
                    }
                    made = PyFrozenSet_New(elements.get());
                }
                deliver(open.origin, made);
                break;
            }
            case sort::mapping: {
                PyObject* dict = PyDict_Check(open.made)
                                     ? open.made
                                     : reinterpret_cast<proxy_object*>(open.made)->mapping;
                fill_dict(dict, open.children);
                break;
            }
            case sort::frozendict: {
#if PY_VERSION_HEX >= 0x030F0000
                PyObject* dict = own(nullptr, PyDict_New());
                fill_dict(dict, open.children);
                deliver(open.origin, PyFrozenDict_New(dict));
#endif
                break;
            }
            case sort::fields: {
                PyObject* fields = own(nullptr, PyDict_New());
                fill_dict(fields, open.children);
                own(nullptr, PyObject_CallMethod(module(), "set_fields", "OO", open.made, fields));
            }
        }
        frames_.pop_back();
    }

    address_map memo_;  // origin -> thawed; 0 while it is being made
    std::vector<frame> frames_;
    std::vector<PyObject*> made_;   // strong: all new objects
    std::vector<PyObject*> whole_;  // of those, the ones to track at the end
    PyObject* module_ = nullptr;
    PyObject* root_pending_ = nullptr;  // the root, if it was made at the end
};

// Buffers, and what holds them, with the work in Python.
PyObject* thaw_around(PyObject* object) {
    PyObject* module = PyImport_ImportModule("allcores._frozen");
    if (module == nullptr) return nullptr;
    PyObject* made = PyObject_CallMethod(module, "thaw_around", "(O)", object);
    Py_DECREF(module);
    return made;
}

}  // namespace

PyObject* thaw(PyObject* object) {
    if (!is_frozen(object)) {
        // What no one can change is its own ordinary form.
        PyTypeObject* type = Py_TYPE(object);
        if (type == &PyLong_Type || type == &PyFloat_Type || type == &PyUnicode_Type ||
            type == &PyBytes_Type || type == &PyComplex_Type || type == &PyRange_Type) {
            return Py_NewRef(object);
        }
    }
    if (!is_settled(object)) return thaw_around(object);
    try {
        return thawer().run(object);
    } catch (const python_error&) {
        return nullptr;
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    }
}

}  // namespace allcores::data
