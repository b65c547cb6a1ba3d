// Two extensions, one of which uses what the other has in a capsule: NumPy's way. PROVIDER: this is
// the one that has it.
#include <Python.h>

#ifdef PROVIDER
static int counter;
static int count_up(void) {
    return ++counter;
}
static PyObject* count(PyObject* m, PyObject* unused) {
    return PyLong_FromLong(counter);
}
#define NAME "provider"
#define INIT PyInit_provider
#else
static int (*count_up)(void);
static PyObject* count(PyObject* m, PyObject* unused) {
    return PyLong_FromLong(count_up());
}
#define NAME "consumer"
#define INIT PyInit_consumer
#endif

static PyMethodDef methods[] = {{"count", count, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = NAME, .m_size = -1,
                                        .m_methods = methods};

PyMODINIT_FUNC INIT(void) {
    PyObject* module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
#ifdef PROVIDER
    PyObject* capsule = PyCapsule_New((void*)count_up, "late.provider.api", NULL);
    if (PyModule_Add(module, "api", capsule) < 0) return NULL;
#else
    count_up = (int (*)(void))PyCapsule_Import("late.provider.api", 0);
    if (count_up == NULL) return NULL;
#endif
    return module;
}
