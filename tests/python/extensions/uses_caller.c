// An extension with a library that comes with it (caller.c).
#include <Python.h>

void caller_run(PyObject* function);
long caller_steps(long count);

static PyObject* run(PyObject* m, PyObject* function) {
    Py_BEGIN_ALLOW_THREADS caller_run(function);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

// With the GIL, which is its lock.
static PyObject* steps(PyObject* m, PyObject* count) {
    return PyLong_FromLong(caller_steps(PyLong_AsLong(count)));
}

static PyMethodDef methods[] = {
    {"run", run, METH_O, NULL}, {"steps", steps, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "uses_caller",
                                        .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_uses_caller(void) {
    return PyModule_Create(&definition);
}
