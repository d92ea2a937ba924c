/* Power-aware hybrid A*: two searches, from the start and backwards from the goal, take turns; the first to arrive wins.
 *
 * Where one end is hard to leave the search from the other end wanders, while the search from the hard end is led at once; and
 * the first to run out of states proves that there is no path on the lattice. Source of the hybrid state and of the analytic
 * expansion: Dolgov et al. (2010), doi:10.1177/0278364909359210. */

#define DETOUR 0.7       /* share of the extra length of the Dubins curve that counts in the cost to go */
#define SAMPLE_TURN 0.25 /* largest turn between samples of a motion, rad: the slope along the heading changes with it */
#define TURN_TAKING 250  /* expansions before the other search goes on */
#define PATIENCE 300     /* expansions of one search until it becomes greedier for the first time, then at each doubling */
#define HASTE 0.25       /* what the inflation grows by then */

typedef struct {
    double start[3], goal[3];
    double inflation, radius, sample, key_cell, change_cost;
    const double *primitives; /* [count][2]: curvature, length */
    int64_t primitive_count, heading_bins, budget, shot_interval;
} Request;

typedef struct {
    int64_t status; /* 0 found, 1 none exists on the lattice, 2 budget, 3 memory, 4 goal not connected on the grid */
    int64_t arcs, expansions, generated, settled;
    double cost, start_bound;
    int64_t rejected[REASONS];
} Answer;

typedef struct { double x, y, heading, cost, to_go, curvature; int32_t parent; int16_t primitive; uint8_t closed, word; } Node;
typedef struct { int64_t key; int32_t node; } Slot;
typedef struct {
    const Map *m;
    const Request *r;
    Answer *a;
    double from[3], to[3]; /* the search backwards drives in reverse: poses turned by pi, costs as driven forwards */
    int sense;             /* 1 forwards, -1 backwards */
    int64_t expansions, next_shot, next_haste;
    double inflation;
    Field field;
    Heap open;
    Node *nodes;
    int64_t count, room, slots, used;
    Slot *table;
} Search;

/* Moves the pose along an arc; its cost, or INFINITY with the reason counted. */
static double drive(Search *s, double *pose, double curvature, double length) {
    double finest = fmin(s->r->sample, SAMPLE_TURN / (fabs(curvature) + 1e-9));
    int n = (int)ceil(length / finest - 1e-9), reason;
    double step = length / (n < 1 ? 1 : n), total = 0.0, x = pose[0], y = pose[1], half = 0.5 * curvature * step;
    double chord = step * (fabs(half) > 1e-9 ? sin(half) / half : 1.0);
    double c = cos(pose[2] + half), t = sin(pose[2] + half), rc = cos(2.0 * half), rs = sin(2.0 * half);
    if (length <= 0.0) return 0.0;
    for (int k = 0; k < (n < 1 ? 1 : n); k++) {
        double rate = pose_cost(s->m, x + 0.5 * chord * c, y + 0.5 * chord * t, s->sense * c, s->sense * t, curvature, &reason);
        if (!(rate < INFINITY)) {
            s->a->rejected[reason]++;
            return INFINITY;
        }
        total += rate * step;
        x += chord * c;
        y += chord * t;
        double next = c * rc - t * rs;
        t = t * rc + c * rs;
        c = next;
    }
    pose[0] = x;
    pose[1] = y;
    pose[2] += curvature * length;
    return total;
}

static double heuristic(Search *s, const double *pose) {
    double h = field_value(&s->field, pose[0], pose[1]);
    double distance = hypot(pose[0] - s->to[0], pose[1] - s->to[1]);
    if (distance < 8.0 * s->r->radius) { /* further away the turns hardly count */
        double turns[18], parts[18], lengths[6], least = INFINITY;
        dubins_words(pose, s->to, s->r->radius, turns, parts, lengths);
        for (int w = 0; w < 6; w++) least = fmin(least, lengths[w]);
        h += DETOUR * s->m->least_cost * fmax(0.0, least - distance);
    }
    return h;
}

static Slot *slot_for(const Search *s, int64_t key) {
    uint64_t at = ((uint64_t)key * 0x9E3779B97F4A7C15u) >> 24;
    while (s->table[at & (uint64_t)(s->slots - 1)].node >= 0 && s->table[at & (uint64_t)(s->slots - 1)].key != key) at++;
    return s->table + (at & (uint64_t)(s->slots - 1));
}

static int grow(Search *s) {
    Slot *old = s->table;
    int64_t count = s->slots;
    s->slots = count ? 4 * count : 8192;
    s->table = malloc((size_t)s->slots * sizeof *s->table);
    if (!s->table) {
        s->table = old;
        s->slots = count;
        return 0;
    }
    for (int64_t k = 0; k < s->slots; k++) s->table[k].node = -1;
    for (int64_t k = 0; k < count; k++) if (old[k].node >= 0) *slot_for(s, old[k].key) = old[k];
    free(old);
    return 1;
}

/* Slot of the state that a pose falls into; a free one carries its key already. */
static Slot *slot_of(const Search *s, const double *pose) {
    int64_t i = (int64_t)floor((pose[0] - s->m->grid_x0) / s->r->key_cell), j = (int64_t)floor((pose[1] - s->m->grid_y0) / s->r->key_cell);
    double turn = pose[2] / TWO_PI;
    int64_t b = (int64_t)floor((turn - floor(turn)) * (double)s->r->heading_bins + 0.5) % s->r->heading_bins;
    int64_t key = (j * 1000003 + i) * s->r->heading_bins + b;
    Slot *slot = slot_for(s, key);
    slot->key = key;
    return slot;
}

static int add(Search *s, const double *pose, double cost, double to_go, double curvature, int32_t parent, int primitive, int word) {
    if (s->count == s->room) return 0;
    s->nodes[s->count] = (Node){pose[0], pose[1], pose[2], cost, to_go, curvature, parent, (int16_t)primitive, 0, (uint8_t)word};
    s->a->generated++;
    return push(&s->open, cost + s->inflation * to_go, (int32_t)s->count++);
}

/* Tries the Dubins words from a node to the goal, shortest first; the first that is free becomes a goal node. */
static int shoot(Search *s, int32_t index) {
    double turns[18], parts[18], lengths[6], from[3] = {s->nodes[index].x, s->nodes[index].y, s->nodes[index].heading};
    dubins_words(from, s->to, s->r->radius, turns, parts, lengths);
    double shortest = INFINITY;
    for (int w = 0; w < 6; w++) shortest = fmin(shortest, lengths[w]);
    for (int tries = 0; tries < 3; tries++) {
        int w = 0;
        for (int k = 1; k < 6; k++) if (lengths[k] < lengths[w]) w = k;
        if (!(lengths[w] <= 1.5 * shortest + s->r->radius)) return 1;
        double pose[3] = {from[0], from[1], from[2]}, cost = s->nodes[index].cost, previous = s->nodes[index].curvature;
        for (int k = 0; k < 3 && cost < INFINITY; k++) {
            double curvature = turns[3 * w + k] / s->r->radius;
            if (parts[3 * w + k] <= 0.0) continue;
            cost += drive(s, pose, curvature, parts[3 * w + k]) + s->r->change_cost * fabs(curvature - previous);
            previous = curvature;
        }
        if (cost < INFINITY) return add(s, pose, cost, 0.0, 0.0, index, -2, w);
        lengths[w] = INFINITY;
    }
    return 1;
}

static int expand(Search *s, int32_t index) {
    for (int64_t p = 0; p < s->r->primitive_count; p++) {
        Node n = s->nodes[index];
        double pose[3] = {n.x, n.y, n.heading}, curvature = s->r->primitives[2 * p];
        double cost = n.cost + s->r->change_cost * fabs(curvature - n.curvature);
        cost += drive(s, pose, curvature, s->r->primitives[2 * p + 1]);
        if (!(cost < INFINITY)) continue;
        Slot *slot = slot_of(s, pose);
        if (slot->node >= 0 && s->nodes[slot->node].cost <= cost) continue;
        double h = heuristic(s, pose);
        if (isnan(h)) return 0;
        if (!(h < INFINITY)) continue;
        if (slot->node < 0 && 2 * ++s->used > s->slots) {
            if (!grow(s)) return 0;
            slot = slot_of(s, pose);
        }
        slot->node = (int32_t)s->count;
        if (!add(s, pose, cost, h, curvature, index, (int)p, 0)) return 0;
    }
    return 1;
}

/* Writes curvature and length of every arc, first to last; the number of arcs. */
static int64_t trace(const Search *s, int32_t index, double *arcs) {
    int64_t n = 0;
    int32_t chain = index, words = s->nodes[index].primitive == -2 ? 2 : 0;
    for (; s->nodes[chain].parent >= 0; chain = s->nodes[chain].parent) n++;
    int64_t total = n + words, at = total;
    if (words) {
        double turns[18], parts[18], lengths[6];
        const Node *from = s->nodes + s->nodes[index].parent;
        double pose[3] = {from->x, from->y, from->heading};
        dubins_words(pose, s->to, s->r->radius, turns, parts, lengths);
        for (int k = 2; k >= 0; k--) {
            at--;
            arcs[2 * at] = turns[3 * s->nodes[index].word + k] / s->r->radius;
            arcs[2 * at + 1] = parts[3 * s->nodes[index].word + k];
        }
        index = s->nodes[index].parent;
    }
    for (; s->nodes[index].parent >= 0; index = s->nodes[index].parent) {
        at--;
        arcs[2 * at] = s->r->primitives[2 * s->nodes[index].primitive];
        arcs[2 * at + 1] = s->r->primitives[2 * s->nodes[index].primitive + 1];
    }
    return total;
}

/* 5: to be gone on with; otherwise the status of the answer. */
static int64_t begin(Search *s) {
    if (!s->nodes || !grow(s) || !field_start(&s->field, s->m, s->sense, s->from, s->to)) return 3;
    double h = heuristic(s, s->from);
    if (s->sense > 0) s->a->start_bound = h;
    if (isnan(h)) return 3;
    if (!(h < INFINITY)) return 4;
    slot_of(s, s->from)->node = 0;
    return add(s, s->from, 0.0, h, 0.0, -1, -1, 0) ? 5 : 3;
}

/* Long searches become greedier: the states waiting are sorted anew with the cost to go weighing more. */
static int hasten(Search *s) {
    Heap old = s->open;
    s->inflation += HASTE;
    s->next_haste *= 2;
    memset(&s->open, 0, sizeof s->open);
    int done = 1;
    for (int64_t k = 0; k < old.n && done; k++) {
        const Node *n = s->nodes + old.e[k].item;
        done = push(&s->open, n->cost + s->inflation * n->to_go, old.e[k].item);
    }
    free(old.e);
    return done;
}

static int64_t go_on(Search *s, int64_t turns, double *arcs) {
    while (s->open.n) {
        int32_t index = pop(&s->open).item;
        Node *n = s->nodes + index;
        if (n->primitive == -2) {
            s->a->cost = n->cost;
            s->a->arcs = trace(s, index, arcs);
            return 0;
        }
        double pose[3] = {n->x, n->y, n->heading};
        if (n->closed || slot_of(s, pose)->node != index) continue; /* a cheaper way into this state came later */
        n->closed = 1;
        s->a->expansions++;
        double distance = hypot(n->x - s->to[0], n->y - s->to[1]);
        if (++s->expansions > s->next_shot || distance < 3.0 * s->r->radius) {
            if (!shoot(s, index)) return 2;
            s->next_shot = s->expansions + s->r->shot_interval;
        }
        if (s->expansions == s->next_haste && !hasten(s)) return 2;
        if (!expand(s, index) || s->a->expansions >= s->r->budget) return 2;
        if (--turns == 0) return 5;
    }
    return 1;
}

static void set_up(Search *s, const Map *m, const Request *r, Answer *a, int sense) {
    memset(s, 0, sizeof *s);
    s->m = m;
    s->r = r;
    s->a = a;
    s->sense = sense;
    s->inflation = r->inflation;
    s->next_haste = PATIENCE;
    memcpy(s->from, sense > 0 ? r->start : r->goal, sizeof s->from);
    memcpy(s->to, sense > 0 ? r->goal : r->start, sizeof s->to);
    if (sense < 0) {
        s->from[2] += 0.5 * TWO_PI;
        s->to[2] += 0.5 * TWO_PI;
    }
    s->room = r->budget * (r->primitive_count + 1) + 16;
    s->nodes = malloc((size_t)s->room * sizeof *s->nodes);
}

static void clean_up(Search *s) {
    s->a->settled += s->field.expanded;
    free(s->nodes);
    free(s->table);
    free(s->open.e);
    free(s->field.open.e);
    free(s->field.cost);
    free(s->field.settled);
}

/* The arcs of a path found backwards, as driven forwards. */
static void turn_round(double *arcs, int64_t n) {
    for (int64_t i = 0, j = n - 1; i <= j; i++, j--) {
        double curvature = arcs[2 * i], length = arcs[2 * i + 1];
        arcs[2 * i] = -arcs[2 * j];
        arcs[2 * i + 1] = arcs[2 * j + 1];
        arcs[2 * j] = -curvature;
        arcs[2 * j + 1] = length;
    }
}

/* `arcs` has room for budget + 8 pairs of curvature and length. */
void hybrid_search(const Map *m, const Request *r, Answer *a, double *arcs) {
    Search search[2];
    int begun[2] = {0, 0};
    memset(a, 0, sizeof *a);
    a->status = 5;
    for (int side = 0; a->status == 5; side = 1 - side) {
        Search *s = search + side;
        if (!begun[side]) {
            set_up(s, m, r, a, side ? -1 : 1);
            begun[side] = 1;
            a->status = begin(s);
        }
        if (a->status == 5) a->status = go_on(s, TURN_TAKING, arcs);
        if (a->status == 0 && side) turn_round(arcs, a->arcs);
    }
    for (int side = 0; side < 2; side++) if (begun[side]) clean_up(search + side);
}
