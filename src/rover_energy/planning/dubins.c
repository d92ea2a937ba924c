/* Shortest curves of bounded curvature between two poses.
 *
 * Source: Dubins (1957), doi:10.2307/2372560, in the form of Shkel & Lumelsky (2001), doi:10.1016/S0921-8890(00)00127-5. */

#define TWO_PI 6.283185307179586476925

static double wrap(double a) { /* to [0, 2 pi), with a whole turn by rounding counted as none */
    a = fmod(a, TWO_PI);
    if (a < 0.0) a += TWO_PI;
    return a > TWO_PI - 1e-9 ? 0.0 : a;
}

/* Three pieces (sign of curvature, length over radius) of word 0..5 = LSL RSR LSR RSL RLR LRL; total or INFINITY. */
static double dubins_word(int word, double d, double a, double b, double *turn, double *part) {
    static const int TURNS[6][3] = {{1, 0, 1}, {-1, 0, -1}, {1, 0, -1}, {-1, 0, 1}, {-1, 1, -1}, {1, -1, 1}};
    double sa = sin(a), sb = sin(b), ca = cos(a), cb = cos(b), cab = cos(a - b), q, angle;
    for (int k = 0; k < 3; k++) turn[k] = TURNS[word][k];
    if (word < 2) {
        double sign = word == 0 ? 1.0 : -1.0;
        q = 2.0 + d * d - 2.0 * cab + sign * 2.0 * d * (sa - sb);
        angle = atan2(sign * (cb - ca), d + sign * (sa - sb));
        part[0] = wrap(sign * (angle - a));
        part[1] = sqrt(fmax(0.0, q));
        part[2] = wrap(sign * (b - angle));
    } else if (word < 4) {
        double sign = word == 2 ? 1.0 : -1.0;
        q = d * d - 2.0 + 2.0 * cab + sign * 2.0 * d * (sa + sb);
        if (q < 0.0) return INFINITY;
        part[1] = sqrt(q);
        angle = atan2(-sign * (ca + cb), d + sign * (sa + sb)) - atan2(-sign * 2.0, part[1]);
        part[0] = wrap(sign * (angle - a));
        part[2] = wrap(sign * (angle - b));
    } else {
        double sign = word == 5 ? 1.0 : -1.0;
        q = (6.0 - d * d + 2.0 * cab + sign * 2.0 * d * (sb - sa)) / 8.0;
        if (fabs(q) > 1.0) return INFINITY;
        part[1] = TWO_PI - acos(q);
        angle = atan2(sign * (cb - ca), d + sign * (sa - sb));
        part[0] = wrap(sign * (angle - a) + part[1] / 2.0);
        part[2] = wrap(sign * (b - a) - part[0] + part[1]);
    }
    return part[0] + part[1] + part[2];
}

/* All six words between two poses; lengths in metres (INFINITY where the word does not exist). */
void dubins_words(const double *from, const double *to, double radius, double *turns, double *parts, double *lengths) {
    double dx = to[0] - from[0], dy = to[1] - from[1], bearing = atan2(dy, dx);
    for (int w = 0; w < 6; w++) {
        lengths[w] = radius * dubins_word(w, hypot(dx, dy) / radius, from[2] - bearing, to[2] - bearing, turns + 3 * w, parts + 3 * w);
        for (int k = 0; k < 3; k++) parts[3 * w + k] *= radius;
    }
}
