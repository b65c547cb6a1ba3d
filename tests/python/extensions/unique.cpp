// A C++ extension whose inline variable gcc makes a unique symbol: glibc would merge it across all
// copies.
#include <Python.h>

template <class T>
struct holder {
    inline static T value = 0;
    static T& local() {
        static T object = 0;
        return object;
    }
};

static PyObject* count(PyObject*, PyObject*) {
    return Py_BuildValue("ii", ++holder<int>::value, ++holder<int>::local());
}

static PyMethodDef methods[] = {{"count", count, METH_NOARGS, nullptr}, {}};
static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "unique", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

PyMODINIT_FUNC PyInit_unique() {
    return PyModule_Create(&definition);
}
