/* Time-optimal speed along a fixed path under speed, acceleration, yaw and power limits.
 *
 * Unknowns are the squares z of the surface speed at n stations. On the interval between two stations the acceleration
 * a = (z1 - z0) / (2 step) is constant, the mean speed is v = (sqrt(z0) + sqrt(z1)) / 2 exactly, and the power is taken
 * at that mean speed with coefficients of the middle of the interval: second-order accurate in the step.
 */
#include <math.h>

typedef struct {
    const double *step;      /* (n-1) surface length of the interval [m] */
    const double *force;     /* (n-1) grade force + resistance at rest [N] */
    const double *gain;      /* (n-1) bus power per mechanical power, 1 / ((1 - slip) efficiency) */
    const double *scrub;     /* (n-1) steady turning power per speed [W s/m] */
    const double *spin;      /* (n) yaw inertia (yaw rate per speed)^2 / efficiency [kg] */
    const double *allowance; /* (n-1) power left for driving and turning [W] */
    const double *cap;       /* (n) largest squared speed by the speed and yaw rate limits [m2/s2] */
    double mass, c1, c2, acceleration;
} problem;

static double demand(const problem *p, int i, double z0, double z1)
{
    double v = 0.5 * (sqrt(z0) + sqrt(z1));
    double half = 0.5 / p->step[i];
    double pull = p->mass * (z1 - z0) * half + p->force[i] + (p->c1 + p->c2 * v) * v;
    double twist = (p->spin[i + 1] * z1 - p->spin[i] * z0) * half;
    return v * ((pull > 0.0 ? pull * p->gain[i] : 0.0) + p->scrub[i] + (twist > 0.0 ? twist : 0.0));
}

static double floor0(double z) { return z > 0.0 ? z : 0.0; }

/* Power above the allowance: leaving station i at `fixed` and arriving at z, or leaving at z and braking fully. */
static double excess(const problem *p, int i, double fixed, double z)
{
    double z0 = fixed >= 0.0 ? fixed : z;
    double z1 = fixed >= 0.0 ? z : floor0(z - 2.0 * p->acceleration * p->step[i]);
    return demand(p, i, z0, z1) - p->allowance[i];
}

/* Largest z in [low, high] with excess <= 0, knowing excess(low) <= 0 < excess(high): regula falsi (Illinois) in the
 * speed sqrt(z), ending on the feasible side or within 1e-10 of the allowance. */
static double largest(const problem *p, int i, double fixed, double low, double high, double at_low, double at_high)
{
    double a = sqrt(low), b = sqrt(high), fa = at_low, fb = at_high;
    double tolerance = 1e-10 * (1.0 + fabs(p->allowance[i]));
    int side = 0;
    for (int k = 0; k < 100 && b - a > 1e-15; k++) {
        double w = (a * fb - b * fa) / (fb - fa);
        if (k % 8 == 7 || !(w > a && w < b))
            w = 0.5 * (a + b);
        double f = excess(p, i, fixed, w * w);
        if (fabs(f) <= tolerance)
            return w * w;
        if (f < 0.0) {
            a = w, fa = f;
            if (side == -1)
                fb *= 0.5;
            side = -1;
        } else {
            b = w, fb = f;
            if (side == 1)
                fa *= 0.5;
            side = 1;
        }
    }
    return a * a;
}

/* Backward pass: the largest squared speeds from which the rest of the path can be driven; then the forward pass, which
 * takes the largest reachable one at each station. `reach` is scratch space (n). Returns 0, or 1 + the interval whose
 * allowance is negative or NaN, or -1 when the starting speed is too high for what follows. */
int retime_profile(int n, const double *step, const double *force, const double *gain, const double *scrub,
                   const double *spin, const double *allowance, const double *cap, double mass, double c1, double c2,
                   double acceleration, double start, double end, double *reach, double *z)
{
    problem p = {step, force, gain, scrub, spin, allowance, cap, mass, c1, c2, acceleration};
    reach[n - 1] = fmin(end, cap[n - 1]);
    for (int i = n - 2; i >= 0; i--) {
        if (!(allowance[i] >= 0.0))
            return i + 1;
        double high = fmin(cap[i], reach[i + 1] + 2.0 * acceleration * step[i]);
        double over = excess(&p, i, -1.0, high);
        reach[i] = over > 0.0 ? largest(&p, i, -1.0, 0.0, high, -allowance[i], over) : high;
    }
    if (!(start <= reach[0] * (1.0 + 1e-12)))
        return -1;
    z[0] = start;
    for (int i = 0; i < n - 1; i++) {
        double change = 2.0 * acceleration * step[i];
        double high = fmin(reach[i + 1], z[i] + change), low = fmin(floor0(z[i] - change), high);
        double over = excess(&p, i, z[i], high);
        if (over > 0.0) {
            double under = excess(&p, i, z[i], low);
            high = under < 0.0 ? largest(&p, i, z[i], low, high, under, over) : low;
        }
        z[i + 1] = high;
    }
    return 0;
}
