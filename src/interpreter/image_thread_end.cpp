// thread_local objects of images, and what leads to their keys.
#include "interpreter/image_thread_end.h"

#include <Python.h>
#include <cxxabi.h>

#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "interpreter/image_keys.h"
#include "interpreter/image_owner.h"

namespace allcores::interpreter {
namespace {

struct thread_object {
    void (*destructor)(void*);
    void* object;
    std::size_t owner;
    std::int64_t interpreter;
};

void destroy(void* argument) noexcept {
    const std::unique_ptr<thread_object> its(static_cast<thread_object*>(argument));
    const image_owner::staying inside(its->owner, its->interpreter);
    if (inside) its->destructor(its->object);
}

int at_thread_end(std::size_t owner, void (*destructor)(void*), void* object) noexcept {
    std::unique_ptr<thread_object> made(new (std::nothrow) thread_object{
        destructor, object, owner, image_owner::interpreter_of(owner)});
    if (made == nullptr) return -1;
    // As one of this library, which any address in it says: the image would be kept loaded.
    static char here;
    const int result = abi::__cxa_thread_atexit(destroy, made.get(), &here);
    if (result == 0) static_cast<void>(made.release());
    return result;
}

// CPython's keys, pybind11's for instance: the same, without destructors, so nobody has to own
// them.
int create_python_key(Py_tss_t* key) noexcept {
    if (key->_is_initialized != 0) return 0;
    if (image_keys::create(image_owner::capacity, &key->_key, nullptr) != 0) return -1;
    key->_is_initialized = 1;
    return 0;
}

void delete_python_key(Py_tss_t* key) noexcept {
    if (key->_is_initialized == 0) return;
    image_keys::remove(key->_key);
    key->_is_initialized = 0;
}

void free_python_key(Py_tss_t* key) noexcept {
    if (key != nullptr) delete_python_key(key);
    PyThread_tss_free(key);
}

void* get_python_value(Py_tss_t* key) noexcept {
    return image_keys::get(key->_key);
}

int set_python_value(Py_tss_t* key, void* value) noexcept {
    return image_keys::set(key->_key, value) == 0 ? 0 : -1;
}

// The calls carry no argument that could say whose they are.
struct entry_points {
    int (*at_thread_end)(void (*)(void*), void*, void*);
    int (*create_key)(pthread_key_t*, image_keys::destructor);
};

template <std::size_t Owner>
constexpr entry_points entry_points_of = {
    [](void (*destructor)(void*), void* object, void* /*library*/) {
        return at_thread_end(Owner, destructor, object);
    },
    [](pthread_key_t* made, image_keys::destructor function) {
        return image_keys::create(Owner, made, function);
    },
};

template <std::size_t... Owner>
constexpr std::array<entry_points, sizeof...(Owner)> all_of(std::index_sequence<Owner...>) {
    return {entry_points_of<Owner>...};
}
constexpr auto table = all_of(std::make_index_sequence<image_owner::capacity>());

}  // namespace

void* thread_end_replacement(std::size_t owner, std::string_view name) noexcept {
    if (name == "__cxa_thread_atexit_impl" || name == "__cxa_thread_atexit")
        return reinterpret_cast<void*>(table[owner].at_thread_end);
    if (name == "pthread_key_create" || name == "__pthread_key_create")
        return reinterpret_cast<void*>(table[owner].create_key);
    if (name == "pthread_key_delete") return reinterpret_cast<void*>(image_keys::remove);
    if (name == "pthread_getspecific") return reinterpret_cast<void*>(image_keys::get);
    if (name == "pthread_setspecific") return reinterpret_cast<void*>(image_keys::set);
    if (name == "PyThread_tss_create") return reinterpret_cast<void*>(create_python_key);
    if (name == "PyThread_tss_delete") return reinterpret_cast<void*>(delete_python_key);
    if (name == "PyThread_tss_free") return reinterpret_cast<void*>(free_python_key);
    if (name == "PyThread_tss_get") return reinterpret_cast<void*>(get_python_value);
    if (name == "PyThread_tss_set") return reinterpret_cast<void*>(set_python_value);
    return nullptr;
}

}  // namespace allcores::interpreter
