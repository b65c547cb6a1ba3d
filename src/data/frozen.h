// What other parts may ask about frozen objects. An object that lies in the frozen space is read in
// place by every interpreter: its reference count never changes, it is not tracked by any GC, its
// type is one of CPython's static ones, and it lives until the process ends. So its address is all
// that has to travel.
//
// Callable with any interpreter's GIL held; is_frozen_object() from anywhere.
#pragma once
#include <Python.h>

#include "memory/frozen_space.h"

namespace allcores::data {

inline bool is_frozen_object(PyObject* object) {
    return memory::frozen_space::contains(object);
}

// The address by which another interpreter finds `object` with frozen_at(); 0 if it is not frozen.
// Throws std::bad_alloc.
inline std::uintptr_t frozen_address(PyObject* object) {
    if (!is_frozen_object(object)) return 0;
    memory::frozen_space::process().publish(object);
    return reinterpret_cast<std::uintptr_t>(object);
}

// The frozen object at an address that frozen_address() gave out in this process; null for any
// other number.
inline PyObject* frozen_at(std::uintptr_t address) {
    auto* object = reinterpret_cast<PyObject*>(address);
    if (!is_frozen_object(object)) return nullptr;
    return memory::frozen_space::process().is_published(object) ? object : nullptr;
}

}  // namespace allcores::data
