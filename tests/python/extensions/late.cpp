// An extension with all that a library asks to be called later: at the end of a thread, of the
// process, in a fork, by a signal. The interpreter that asked may be gone by then.
#include <Python.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

namespace {

void say(const char* text) {
    if (write(1, text, strlen(text)) < 0) abort();
}

void call(PyObject* function) {
    const PyGILState_STATE state = PyGILState_Ensure();
    PyObject* result = PyObject_CallNoArgs(function);
    if (result == nullptr) PyErr_WriteUnraisable(function);
    Py_XDECREF(result);
    Py_DECREF(function);
    PyGILState_Release(state);
}

// Calls a function of Python's when its thread ends.
struct last_word {
    PyObject* function = nullptr;
    ~last_word() {
        if (function != nullptr) call(function);
    }
};
thread_local last_word local;

PyObject* keep_in_local(PyObject*, PyObject* function) {
    Py_XSETREF(local.function, Py_NewRef(function));
    Py_RETURN_NONE;
}

pthread_key_t key;
bool key_made;

PyObject* keep_under_key(PyObject*, PyObject* function) {
    if (!key_made) {
        const auto destroy = [](void* kept) { call(static_cast<PyObject*>(kept)); };
        if (pthread_key_create(&key, destroy) != 0) return PyErr_NoMemory();
        key_made = true;
    }
    auto* before = static_cast<PyObject*>(pthread_getspecific(key));
    if (pthread_setspecific(key, Py_NewRef(function)) != 0) return PyErr_NoMemory();
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

// Makes many keys and deletes them, again and again: the process has 1024.
PyObject* use_up_keys(PyObject*, PyObject*) {
    long made = 0;
    for (int round = 0; round < 3; round++) {
        pthread_key_t keys[300];
        for (pthread_key_t& each : keys) made += pthread_key_create(&each, [](void*) {}) == 0;
        for (const pthread_key_t& each : keys) pthread_key_delete(each);
    }
    return PyLong_FromLong(made);
}

// Makes keys and keeps them. How many there were.
PyObject* keep_keys(PyObject*, PyObject* count) {
    long made = 0;
    for (long i = PyLong_AsLong(count); i > 0; i--) {
        pthread_key_t each;
        if (pthread_key_create(&each, [](void*) {}) != 0) break;
        if (pthread_setspecific(each, &made) != 0 || pthread_getspecific(each) != &made) break;
        // CPython's own, which are made of these.
        Py_tss_t* python = PyThread_tss_alloc();
        if (PyThread_tss_create(python) != 0 || PyThread_tss_get(python) != nullptr) break;
        if (PyThread_tss_set(python, &made) != 0 || PyThread_tss_get(python) != &made) break;
        if (i % 2 == 0) {
            PyThread_tss_free(python);
        } else {
            PyThread_tss_delete(python);
            if (PyThread_tss_is_created(python) || PyThread_tss_create(python) != 0) break;
        }
        made++;
    }
    return PyLong_FromLong(made);
}

// A thread of the library's own that ends when there is something to read.
struct order {
    PyObject* function;
    int descriptor;
};

void* wait_and_end(void* argument) {
    auto* mine = static_cast<order*>(argument);
    local.function = mine->function;
    char byte;
    while (read(mine->descriptor, &byte, 1) < 0) {
    }
    close(mine->descriptor);
    delete mine;
    return nullptr;
}

PyObject* start_thread(PyObject*, PyObject* arguments) {
    PyObject* function;
    int descriptor;
    if (!PyArg_ParseTuple(arguments, "Oi", &function, &descriptor)) return nullptr;
    pthread_t thread;
    auto* mine = new order{Py_NewRef(function), dup(descriptor)};
    if (pthread_create(&thread, nullptr, wait_and_end, mine) != 0) return PyErr_NoMemory();
    return PyLong_FromUnsignedLong(thread);
}

PyObject* join_thread(PyObject*, PyObject* thread) {
    const pthread_t id = PyLong_AsUnsignedLong(thread);
    Py_BEGIN_ALLOW_THREADS pthread_join(id, nullptr);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

PyObject* at_python_exit(PyObject*, PyObject*) {
    return PyLong_FromLong(Py_AtExit([] { say("Py_AtExit\n"); }));
}

PyObject* at_process_exit(PyObject*, PyObject*) {
    return PyLong_FromLong(atexit([] { say("atexit\n"); }));
}

PyObject* at_fork(PyObject*, PyObject*) {
    return PyLong_FromLong(pthread_atfork([] { say("before\n"); }, [] { say("in the parent\n"); },
                                          [] { say("in the child\n"); }));
}

PyObject* handle(PyObject*, PyObject* number) {
    struct sigaction action = {};
    action.sa_handler = [](int) { say("signal\n"); };
    return PyLong_FromLong(sigaction(PyLong_AsInt(number), &action, nullptr));
}

PyObject* file_of_this(PyObject*, PyObject*) {
    Dl_info found;
    if (dladdr(&key_made, &found) == 0) Py_RETURN_NONE;
    return PyUnicode_DecodeFSDefault(found.dli_fname);
}

// Where sys.late_wait names a pipe, the import waits until there is something to read.
void wait_in_import() {
    PyObject* name = PySys_GetObject("late_wait");
    if (name == nullptr) return;
    const int pipe = open(PyUnicode_AsUTF8(name), O_RDWR);
    char byte;
    Py_BEGIN_ALLOW_THREADS while (read(pipe, &byte, 1) < 0) {}
    Py_END_ALLOW_THREADS close(pipe);
}

PyMethodDef methods[] = {{"keep_in_local", keep_in_local, METH_O, nullptr},
                         {"keep_under_key", keep_under_key, METH_O, nullptr},
                         {"use_up_keys", use_up_keys, METH_NOARGS, nullptr},
                         {"keep_keys", keep_keys, METH_O, nullptr},
                         {"start_thread", start_thread, METH_VARARGS, nullptr},
                         {"join_thread", join_thread, METH_O, nullptr},
                         {"at_python_exit", at_python_exit, METH_NOARGS, nullptr},
                         {"at_process_exit", at_process_exit, METH_NOARGS, nullptr},
                         {"at_fork", at_fork, METH_NOARGS, nullptr},
                         {"file_of_this", file_of_this, METH_NOARGS, nullptr},
                         {"handle", handle, METH_O, nullptr},
                         {}};
PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "late", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_late() {
    wait_in_import();
    return PyModule_Create(&definition);
}
