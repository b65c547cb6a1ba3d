// What of a proxy are slots of its type: operators, items, iteration, length, truth, text.
#include <array>

#include "bindings/proxy_object.h"
#include "data/guarded.h"

namespace allcores::bindings {

using data::checked;
using data::guarded;
using data::python_error;
using data::ref;

namespace {

PyObject* go(PyObject* self, deed what, std::span<PyObject* const> values = {},
             const void* extra = nullptr) {
    return guarded([&] {
        const auto state = as_proxy(self)->state;
        return visit(state, self, what, values, nullptr, extra);
    });
}

// The first of two operands that is a proxy is visited; the other one crosses.
template <binaryfunc Function, bool Swapped>
ref do_binary(errand& given) {
    return Swapped ? checked(Function(given.values[0], given.object))
                   : checked(Function(given.object, given.values[0]));
}

template <binaryfunc Function>
PyObject* binary(PyObject* left, PyObject* right) {
    if (is_proxy(left)) return go(left, do_binary<Function, false>, {&right, 1});
    return go(right, do_binary<Function, true>, {&left, 1});
}

template <unaryfunc Function>
PyObject* unary(PyObject* self) {
    return go(self, [](errand& given) { return checked(Function(given.object)); });
}

template <ternaryfunc Function>
PyObject* power(PyObject* base, PyObject* exponent, PyObject* modulus) {
    PyObject* operands[] = {base, exponent, modulus};
    for (std::size_t i = 0; i < 3; i++) {
        if (!is_proxy(operands[i])) continue;
        PyObject* proxy = operands[i];
        return go(
            proxy,
            [](errand& given) {
                PyObject* all[3];
                const auto own = *static_cast<const std::size_t*>(given.extra);
                for (std::size_t to = 0, from = 0; to < 3; to++)
                    all[to] = to == own ? given.object : given.values[from++];
                return checked(Function(all[0], all[1], all[2]));
            },
            std::array<PyObject*, 2>{operands[i == 0 ? 1 : 0], operands[i == 2 ? 1 : 2]}, &i);
    }
    Py_RETURN_NOTIMPLEMENTED;
}

// For slots that return a number.
template <class Number>
Number number_of(PyObject* result) {
    const ref owned = ref::steal(result);
    if (!owned) return -1;
    return static_cast<Number>(PyLong_AsLongLong(owned.get()));
}

int proxy_bool(PyObject* self) {
    return number_of<int>(go(self, [](errand& given) {
        return checked(PyLong_FromLong(checked(PyObject_IsTrue(given.object))));
    }));
}

Py_ssize_t proxy_length(PyObject* self) {
    return number_of<Py_ssize_t>(go(self, [](errand& given) {
        const Py_ssize_t length = PyObject_Size(given.object);
        if (length < 0) throw python_error();
        return checked(PyLong_FromSsize_t(length));
    }));
}

int proxy_contains(PyObject* self, PyObject* item) {
    return number_of<int>(go(self,
                             [](errand& given) {
                                 return checked(PyLong_FromLong(
                                     checked(PySequence_Contains(given.object, given.values[0]))));
                             },
                             {&item, 1}));
}

PyObject* proxy_item(PyObject* self, PyObject* key) {
    return go(
        self,
        [](errand& given) { return checked(PyObject_GetItem(given.object, given.values[0])); },
        {&key, 1});
}

int proxy_set_item(PyObject* self, PyObject* key, PyObject* value) {
    PyObject* both[] = {key, value};
    const ref done = ref::steal(
        go(self,
           [](errand& given) {
               if (given.count == 2)
                   checked(PyObject_SetItem(given.object, given.values[0], given.values[1]));
               else
                   checked(PyObject_DelItem(given.object, given.values[0]));
               return ref::borrow(Py_None);
           },
           {both, value == nullptr ? std::size_t{1} : std::size_t{2}}));
    return done ? 0 : -1;
}

Py_hash_t proxy_hash(PyObject* self) {
    const auto state = as_proxy(self)->state;
    Py_hash_t known = state->hash.load(std::memory_order_relaxed);
    if (known != -1) return known;
    known = number_of<Py_hash_t>(go(self, [](errand& given) {
        const Py_hash_t hash = PyObject_Hash(given.object);
        if (hash == -1) throw python_error();
        return checked(PyLong_FromSsize_t(hash));
    }));
    if (known != -1) state->hash.store(known, std::memory_order_relaxed);
    return known;
}

PyObject* proxy_compare(PyObject* self, PyObject* other, int operation) {
    struct comparison {
        int operation;
        bool* arrived;
    };
    bool arrived = false;
    const comparison given{operation, &arrived};
    PyObject* result = go(
        self,
        [](errand& given) {
            const auto& asked = *static_cast<const comparison*>(given.extra);
            *asked.arrived = true;
            return checked(PyObject_RichCompare(given.object, given.values[0], asked.operation));
        },
        {&other, 1}, &given);
    // What can't go there is not equal to what is there.
    if (result == nullptr && !arrived && (operation == Py_EQ || operation == Py_NE) &&
        PyErr_ExceptionMatches(PyExc_TypeError) != 0) {
        PyErr_Clear();
        Py_RETURN_NOTIMPLEMENTED;
    }
    return result;
}

PyObject* proxy_str(PyObject* self) {
    return go(self, [](errand& given) { return checked(PyObject_Str(given.object)); });
}

// An iterator stays where the object is; each item is one visit.
ref iterator_of(errand& given, ref iterator) {
    if (given.out == nullptr || iterator.get() == given.object) return iterator;
    given.out->put_object(share_part(*given.of, iterator.get()));
    return {};
}

PyObject* proxy_iter(PyObject* self) {
    return go(self, [](errand& given) {
        return iterator_of(given, checked(PyObject_GetIter(given.object)));
    });
}

PyObject* proxy_next(PyObject* self) {
    return go(self, [](errand& given) {
        if (PyIter_Check(given.object) == 0) {
            PyErr_Format(PyExc_TypeError, "'%s' object is not an iterator",
                         given.of->type_name.c_str());
            throw python_error();
        }
        PyObject* item = PyIter_Next(given.object);
        if (item == nullptr && PyErr_Occurred() != nullptr) throw python_error();
        if (item == nullptr && given.out != nullptr) given.out->put_end();
        return ref::steal(item);
    });
}

PyObject* proxy_aiter(PyObject* self) {
    return go(self, [](errand& given) {
        return iterator_of(given, checked(PyObject_GetAIter(given.object)));
    });
}

PyObject* proxy_anext(PyObject* self) {
    return go(self, [](errand& given) {
        const PyAsyncMethods* methods = Py_TYPE(given.object)->tp_as_async;
        if (methods == nullptr || methods->am_anext == nullptr) {
            PyErr_Format(PyExc_TypeError, "'%s' object is not an async iterator",
                         given.of->type_name.c_str());
            throw python_error();
        }
        return checked(methods->am_anext(given.object));
    });
}

template <auto Function>
PyType_Slot slot(int number) {
    return {number, reinterpret_cast<void*>(Function)};
}

}  // namespace

const PyType_Slot proxy_operators[] = {
    slot<binary<PyNumber_Add>>(Py_nb_add),
    slot<binary<PyNumber_Subtract>>(Py_nb_subtract),
    slot<binary<PyNumber_Multiply>>(Py_nb_multiply),
    slot<binary<PyNumber_MatrixMultiply>>(Py_nb_matrix_multiply),
    slot<binary<PyNumber_TrueDivide>>(Py_nb_true_divide),
    slot<binary<PyNumber_FloorDivide>>(Py_nb_floor_divide),
    slot<binary<PyNumber_Remainder>>(Py_nb_remainder),
    slot<binary<PyNumber_Divmod>>(Py_nb_divmod),
    slot<power<PyNumber_Power>>(Py_nb_power),
    slot<binary<PyNumber_Lshift>>(Py_nb_lshift),
    slot<binary<PyNumber_Rshift>>(Py_nb_rshift),
    slot<binary<PyNumber_And>>(Py_nb_and),
    slot<binary<PyNumber_Xor>>(Py_nb_xor),
    slot<binary<PyNumber_Or>>(Py_nb_or),
    slot<binary<PyNumber_InPlaceAdd>>(Py_nb_inplace_add),
    slot<binary<PyNumber_InPlaceSubtract>>(Py_nb_inplace_subtract),
    slot<binary<PyNumber_InPlaceMultiply>>(Py_nb_inplace_multiply),
    slot<binary<PyNumber_InPlaceMatrixMultiply>>(Py_nb_inplace_matrix_multiply),
    slot<binary<PyNumber_InPlaceTrueDivide>>(Py_nb_inplace_true_divide),
    slot<binary<PyNumber_InPlaceFloorDivide>>(Py_nb_inplace_floor_divide),
    slot<binary<PyNumber_InPlaceRemainder>>(Py_nb_inplace_remainder),
    slot<power<PyNumber_InPlacePower>>(Py_nb_inplace_power),
    slot<binary<PyNumber_InPlaceLshift>>(Py_nb_inplace_lshift),
    slot<binary<PyNumber_InPlaceRshift>>(Py_nb_inplace_rshift),
    slot<binary<PyNumber_InPlaceAnd>>(Py_nb_inplace_and),
    slot<binary<PyNumber_InPlaceXor>>(Py_nb_inplace_xor),
    slot<binary<PyNumber_InPlaceOr>>(Py_nb_inplace_or),
    slot<unary<PyNumber_Negative>>(Py_nb_negative),
    slot<unary<PyNumber_Positive>>(Py_nb_positive),
    slot<unary<PyNumber_Absolute>>(Py_nb_absolute),
    slot<unary<PyNumber_Invert>>(Py_nb_invert),
    slot<unary<PyNumber_Long>>(Py_nb_int),
    slot<unary<PyNumber_Float>>(Py_nb_float),
    slot<unary<PyNumber_Index>>(Py_nb_index),
    slot<proxy_bool>(Py_nb_bool),
    slot<proxy_length>(Py_mp_length),
    slot<proxy_length>(Py_sq_length),
    slot<proxy_item>(Py_mp_subscript),
    slot<proxy_set_item>(Py_mp_ass_subscript),
    slot<proxy_contains>(Py_sq_contains),
    slot<proxy_hash>(Py_tp_hash),
    slot<proxy_compare>(Py_tp_richcompare),
    slot<proxy_str>(Py_tp_str),
    slot<proxy_iter>(Py_tp_iter),
    slot<proxy_next>(Py_tp_iternext),
    slot<proxy_aiter>(Py_am_aiter),
    slot<proxy_anext>(Py_am_anext),
    {0, nullptr},
};

}  // namespace allcores::bindings
