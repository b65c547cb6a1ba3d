// An extension with the state and the calls that make most of them refuse an interpreter of their
// own. MULTI_PHASE, SHAREABLE: how it is initialized, and what it declares. NAME: its name.
#include <Python.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define JOINED_OF(a, b) a##b
#define JOINED(a, b) JOINED_OF(a, b)

static int counter;
static int half_initialized;
static PyObject* kept;  // an object of the interpreter that put it there
static PyTypeObject static_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = TEXT(NAME) ".Static",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
};

#ifdef BUNDLED
int bundled_count(void);
int tbb_count(void);
static PyObject* counts(PyObject* m, PyObject* unused) {
    return Py_BuildValue("ii", bundled_count(), tbb_count());
}
#endif

static PyObject* count(PyObject* m, PyObject* unused) {
    return PyLong_FromLong(++counter);
}

static PyObject* keep(PyObject* m, PyObject* object) {
    PyObject* before = kept;
    kept = Py_NewRef(object);
    if (before == NULL) Py_RETURN_NONE;
    return before;
}

static void* call_often(void* function) {
    for (int i = 0; i < 100; i++) {
        PyGILState_STATE outer = PyGILState_Ensure();
        PyGILState_STATE inner = PyGILState_Ensure();
        PyObject* result = PyObject_CallNoArgs(function);
        if (result == NULL) PyErr_WriteUnraisable(function);
        Py_XDECREF(result);
        PyGILState_Release(inner);
        Py_BEGIN_ALLOW_THREADS Py_END_ALLOW_THREADS PyGILState_Release(outer);
    }
    return NULL;
}

// Two threads of the library's own, which Python never saw.
static PyObject* from_threads(PyObject* m, PyObject* function) {
    pthread_t threads[2];
    Py_BEGIN_ALLOW_THREADS for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, call_often, function);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject* ensured_here(PyObject* m, PyObject* function) {
    PyThreadState* before = PyThreadState_Get();
    PyGILState_STATE state = PyGILState_Ensure();
    int same = PyThreadState_Get() == before;
    PyGILState_Release(state);
    return PyBool_FromLong(same && PyThreadState_Get() == before);
}

static int run_pending(void* function) {
    PyObject* result = PyObject_CallNoArgs(function);
    Py_DECREF((PyObject*)function);
    if (result == NULL) return -1;
    Py_DECREF(result);
    return 0;
}

static PyObject* add_pending(PyObject* m, PyObject* function) {
    return PyLong_FromLong(Py_AddPendingCall(run_pending, Py_NewRef(function)));
}

static void* wait_and_call(void* function) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject* result = PyObject_CallNoArgs(function);
    if (result == NULL) PyErr_WriteUnraisable(function);
    Py_XDECREF(result);
    PyGILState_Release(state);
    return NULL;
}

// A thread that goes on by itself.
static PyObject* start_thread(PyObject* m, PyObject* function) {
    pthread_t thread;
    pthread_create(&thread, NULL, wait_and_call, Py_NewRef(function));
    pthread_detach(thread);
    Py_RETURN_NONE;
}

static void* call_for_ever(void* function) {
    for (;;) wait_and_call(function);
}

static PyObject* start_endless_thread(PyObject* m, PyObject* function) {
    pthread_t thread;
    pthread_create(&thread, NULL, call_for_ever, Py_NewRef(function));
    pthread_detach(thread);
    Py_RETURN_NONE;
}

static PyObject* owns_main(PyObject* m, PyObject* unused) {
    return PyBool_FromLong(PyInterpreterState_Main() == PyInterpreterState_Get());
}

// A module, as C imports it.
static PyObject* import_from_c(PyObject* m, PyObject* name) {
    return PyImport_Import(name);
}

static PyObject* weak_reference(PyObject* m, PyObject* object) {
    return PyWeakref_NewRef(object, NULL);
}

static PyObject* weak_proxy(PyObject* m, PyObject* object) {
    return PyWeakref_NewProxy(object, NULL);
}

// A submodule made of a definition, as PyO3 makes its own.
static PyModuleDef_Slot sub_slots[] = {{0, NULL}};
static struct PyModuleDef sub_definition = {PyModuleDef_HEAD_INIT, .m_name = "sub",
                                            .m_slots = sub_slots};
static PyObject* submodule(PyObject* m, PyObject* spec) {
    return PyModule_FromDefAndSpec((PyModuleDef*)PyModuleDef_Init(&sub_definition), spec);
}

// What a function of a library, which is opened for that and closed again, returns.
static PyObject* call_opened(PyObject* m, PyObject* arguments) {
    const char *path, *name;
    if (!PyArg_ParseTuple(arguments, "ss", &path, &name)) return NULL;
    void* library = dlopen(path, RTLD_NOW);
    if (library == NULL) return PyErr_Format(PyExc_OSError, "%s", dlerror());
    int (*function)(void) = (int (*)(void))dlsym(library, name);
    PyObject* result = PyLong_FromLong(function != NULL ? function() : -1);
    dlclose(library);
    return result;
}

// Whether a function of CPython's that is looked for is the one that this file calls by its name.
static PyObject* finds_same(PyObject* m, PyObject* name) {
    const char* text = PyUnicode_AsUTF8(name);
    if (text == NULL) return NULL;
    void* found = dlsym(RTLD_DEFAULT, text);
    if (strcmp(text, "PyGILState_Ensure") == 0)
        return PyBool_FromLong(found == (void*)PyGILState_Ensure);
    if (strcmp(text, "PyLong_FromLong") == 0)
        return PyBool_FromLong(found == (void*)PyLong_FromLong);
    return PyBool_FromLong(found != NULL);
}

static PyMethodDef methods[] = {
    {"submodule", submodule, METH_O, NULL},
    {"call_opened", call_opened, METH_VARARGS, NULL},
    {"finds_same", finds_same, METH_O, NULL},
    {"count", count, METH_NOARGS, NULL},
    {"keep", keep, METH_O, NULL},
    {"from_threads", from_threads, METH_O, NULL},
    {"ensured_here", ensured_here, METH_O, NULL},
    {"add_pending", add_pending, METH_O, NULL},
    {"start_thread", start_thread, METH_O, NULL},
    {"start_endless_thread", start_endless_thread, METH_O, NULL},
    {"owns_main", owns_main, METH_NOARGS, NULL},
    {"import_from_c", import_from_c, METH_O, NULL},
    {"weak_reference", weak_reference, METH_O, NULL},
    {"weak_proxy", weak_proxy, METH_O, NULL},
#ifdef BUNDLED
    {"counts", counts, METH_NOARGS, NULL},
#endif
    {NULL, NULL, 0, NULL},
};

// Fails when it is told to, and ever after in the same image.
static int fill(PyObject* module) {
    if (half_initialized) {
        PyErr_SetString(PyExc_RuntimeError, "spoiled by an import that failed");
        return -1;
    }
    half_initialized = 1;
    if (getenv("TRAPS_FAIL") != NULL) {
        PyErr_SetString(PyExc_OSError, "told to fail");
        return -1;
    }
    if (PyModule_AddType(module, &static_type) < 0) return -1;
    half_initialized = 0;
    return 0;
}

#ifdef MULTI_PHASE
static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, fill},
#ifdef SHAREABLE
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};
#endif

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = TEXT(NAME),
    .m_methods = methods,
#ifdef MULTI_PHASE
    .m_slots = slots,
#else
    .m_size = -1,
#endif
};

PyMODINIT_FUNC JOINED(PyInit_, NAME)(void) {
#ifdef MULTI_PHASE
    return PyModuleDef_Init(&definition);
#else
    PyObject* module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
    if (fill(module) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
#endif
}
