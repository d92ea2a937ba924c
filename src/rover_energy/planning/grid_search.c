/* Cost between a pose and any node of the cost map, computed on demand.
 *
 * A* from the pose over the grid, resumed whenever a node that is not settled yet is asked for: Silver (2005), Cooperative
 * Pathfinding, AIIDE; Hart, Nilsson & Raphael (1968), doi:10.1109/TSSC.1968.300136. */

/* Heap of (key, item), least key first. */
typedef struct { double key; int32_t item; } Entry;
typedef struct { Entry *e; int64_t n, room; } Heap;

static int push(Heap *h, double key, int32_t item) {
    if (h->n == h->room) {
        int64_t room = h->room ? 2 * h->room : 4096;
        Entry *e = realloc(h->e, (size_t)room * sizeof *e);
        if (!e) return 0;
        h->e = e;
        h->room = room;
    }
    int64_t i = h->n++;
    while (i > 0 && h->e[(i - 1) >> 2].key > key) {
        h->e[i] = h->e[(i - 1) >> 2];
        i = (i - 1) >> 2;
    }
    h->e[i] = (Entry){key, item};
    return 1;
}

static Entry pop(Heap *h) {
    Entry top = h->e[0], last = h->e[--h->n];
    int64_t i = 0;
    for (;;) {
        int64_t child = 4 * i + 1, end = child + 4 < h->n ? child + 4 : h->n, best = child;
        if (child >= h->n) break;
        for (int64_t k = child + 1; k < end; k++) if (h->e[k].key < h->e[best].key) best = k;
        if (!(h->e[best].key < last.key)) break;
        h->e[i] = h->e[best];
        i = best;
    }
    h->e[i] = last;
    return top;
}

typedef struct {
    const Map *m;
    Heap open;
    double *cost;
    uint8_t *settled;
    double sx, sy; /* where the questions come from, in cells */
    int sense;     /* 1: cost from a node to the root; -1: from the root to a node */
    int64_t expanded;
} Field;

static int field_offer(Field *f, int64_t node, double cost) {
    if (!(cost < f->cost[node])) return 1;
    f->cost[node] = cost;
    double dx = (double)(node % f->m->grid_columns) - f->sx, dy = (double)(node / f->m->grid_columns) - f->sy;
    return push(&f->open, cost + f->m->least_cost * f->m->resolution * sqrt(dx * dx + dy * dy), (int32_t)node);
}

static int field_start(Field *f, const Map *m, int sense, const double *start, const double *goal) {
    int64_t count = m->grid_columns * m->grid_rows;
    memset(f, 0, sizeof *f);
    f->m = m;
    f->sense = sense;
    f->sx = (start[0] - m->grid_x0) / m->resolution;
    f->sy = (start[1] - m->grid_y0) / m->resolution;
    f->cost = malloc((size_t)count * sizeof *f->cost);
    f->settled = calloc((size_t)count, 1);
    if (!f->cost || !f->settled) return 0;
    for (int64_t k = 0; k < count; k++) f->cost[k] = INFINITY;
    double gx = (goal[0] - m->grid_x0) / m->resolution, gy = (goal[1] - m->grid_y0) / m->resolution;
    for (int64_t j = (int64_t)gy - 1; j <= (int64_t)gy + 2; j++)
        for (int64_t i = (int64_t)gx - 1; i <= (int64_t)gx + 2; i++) {
            if (i < 0 || j < 0 || i >= m->grid_columns || j >= m->grid_rows) continue;
            if (m->clearance[j * m->grid_columns + i] < 0.0) continue;
            double distance = m->resolution * hypot((double)i - gx, (double)j - gy);
            if (!field_offer(f, j * m->grid_columns + i, m->least_cost * distance)) return 0;
        }
    return 1;
}

/* Whether no edge leads out of a node: asking how it is connected would search the whole map. */
static int isolated(const Map *m, int64_t node) {
    const float *edges = m->edge_cost + node * m->directions;
    int64_t d = 0;
    while (d < m->directions && !(edges[d] < INFINITY)) d++;
    return d == m->directions;
}

static double field_at(Field *f, int64_t node) {
    const Map *m = f->m;
    if (!f->settled[node] && !(f->cost[node] < INFINITY) && isolated(m, node)) return INFINITY;
    while (!f->settled[node] && f->open.n) {
        int64_t k = pop(&f->open).item;
        if (f->settled[k]) continue;
        f->settled[k] = 1;
        f->expanded++;
        int64_t column = k % m->grid_columns, row = k / m->grid_columns;
        for (int64_t d = 0; d < m->directions; d++) {
            int64_t i = column - f->sense * m->offsets[2 * d], j = row - f->sense * m->offsets[2 * d + 1];
            if (i < 0 || j < 0 || i >= m->grid_columns || j >= m->grid_rows) continue;
            int64_t next = j * m->grid_columns + i, tail = f->sense > 0 ? next : k; /* where the edge begins */
            if (!f->settled[next] && !field_offer(f, next, f->cost[k] + (double)m->edge_cost[tail * m->directions + d])) return NAN;
        }
    }
    return f->settled[node] ? f->cost[node] : INFINITY;
}

/* Bilinear where all four corners are connected, else from the best corner. */
static double field_value(Field *f, double x, double y) {
    const Map *m = f->m;
    int64_t k;
    double tx, ty, v[4], best = INFINITY;
    if (!grid_cell(m, x, y, &k, &tx, &ty)) return INFINITY;
    for (int a = 0; a < 4; a++) {
        v[a] = field_at(f, k + (a & 1) + (a >> 1) * m->grid_columns);
        double reach = hypot((a & 1) - tx, (a >> 1) - ty) * m->resolution * m->least_cost;
        best = fmin(best, v[a] + reach);
    }
    double value = (1 - ty) * ((1 - tx) * v[0] + tx * v[1]) + ty * ((1 - tx) * v[2] + tx * v[3]);
    return value < INFINITY ? value : best;
}

/* Cost to (sense 1) or from (-1) the goal for n grid nodes, for tests and maps. */
void cost_to_go(const Map *m, int64_t sense, const double *start, const double *goal, const int64_t *nodes, int64_t n, double *cost) {
    Field f;
    int ready = field_start(&f, m, (int)sense, start, goal);
    for (int64_t k = 0; k < n; k++) cost[k] = ready ? field_at(&f, nodes[k]) : NAN;
    free(f.open.e);
    free(f.cost);
    free(f.settled);
}
