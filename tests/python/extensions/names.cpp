// Libraries whose names the dynamic linker would bind to another library's. NAME: the function that
// counts in a variable that all of them have, which gcc makes unique, and the one that counts in
// a global of its own, through a function that others have too.
#include <Python.h>

#include <thread>

template <class T>
struct holder {
    inline static T value = 0;
};

extern "C" {
int own_value = 0;
int count_own() {
    return ++own_value;
}
int NAME() {
    return ++holder<int>::value * 100 + count_own();
}
// PyGILState_Check() on a thread of the library's, as a number; 10 more when it says so here.
int who_has_the_gil() {
    int elsewhere = -1;
    std::thread([&] { elsewhere = PyGILState_Check(); }).join();
    return elsewhere + 10 * PyGILState_Check();
}
}
