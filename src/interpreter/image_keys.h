// Keys of thread-specific data, as pthread_key_create makes them, as many as are wanted.
//
// They have numbers that no key of the C library has, and every function here takes those too.
// Callable from any thread; nothing waits but for one mutex around making and deleting.
#pragma once
#include <pthread.h>

#include <cstddef>

namespace allcores::interpreter {

class image_keys {
 public:
    using destructor = void (*)(void*);

    // As pthread_key_create, for an image of this owner (interpreter/image_owner.h): a value's
    // destructor is called at the end of its thread unless the owner's interpreter is gone. The
    // owner image_owner::capacity is nobody.
    static int create(std::size_t owner, pthread_key_t* key, destructor function) noexcept;
    static int remove(pthread_key_t key) noexcept;
    // All keys of an owner, whose images are unloaded.
    static void remove_all(std::size_t owner) noexcept;
    static void* get(pthread_key_t key) noexcept;
    static int set(pthread_key_t key, const void* value) noexcept;
};

}  // namespace allcores::interpreter
