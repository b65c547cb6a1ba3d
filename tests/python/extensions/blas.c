// What OpenBLAS has to say how many threads it uses.
static int threads = 64;

int openblas_get_num_threads(void) {
    return threads;
}
void openblas_set_num_threads(int count) {
    threads = count;
}
