// Package sim runs the whole control plane over a fake AWS, on one virtual clock and from one seed, and checks after each
// event what must always be true.
//
// What is real: the state machines on the engine, the steps of functions/*, the records, the judgement of health, the events
// that heartbeats become. What is fake, and small: the table ([table]), EC2 ([cloud]), Kafka ([kafka]: partitions with
// replicas, in-sync replicas, leader epochs, acknowledged records and the volumes all of it is on; topics that are declared) and the
// agents ([host]).
//
// A seed decides everything: when calls are answered, which of them fail or only lose their answer, what breaks, and when
// the control plane dies. The same seed gives the same events in the same order, which their hash shows.
//
// How it is deterministic. All of it runs in a testing/synctest bubble, whose time moves only when nobody has anything left
// to do. Every effect (a write to the table, a call of the platform, the start and the answer of a step, a write of the
// journal, the delivery of an event) first sleeps until an instant of its own, drawn from the random numbers of whoever
// makes it ([World.pass]). So no two effects happen at once, and their order is that of their instants. What runs beside an
// effect, because the effect woke it, only reads until it sleeps itself.
package sim
