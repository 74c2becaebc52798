"""Stripe's webhook: signed, once, in whatever order, and nobody else."""

import hashlib
import hmac
import itertools
import json
import unittest

from gate import GateCase, stores
from stack import at_once

SECRET = "whsec_test_0123456789abcdefghijklmnop"
serial = itertools.count(1)


def sign(body: bytes, t: int, secret: str = SECRET) -> str:
    """As https://docs.stripe.com/webhooks#verify-manually has it."""
    mac = hmac.new(secret.encode(), b"%d." % t + body, hashlib.sha256).hexdigest()
    return f"t={t},v1={mac}"


def event(type_: str, created: int, **obj) -> dict:
    """Of the shape of https://docs.stripe.com/api/events/object."""
    return {"id": f"evt_{next(serial)}", "object": "event", "api_version": "2025-03-31.basil",
            "created": created, "livemode": False, "pending_webhooks": 1, "type": type_,
            "data": {"object": obj}}


class BillingCase(GateCase):
    conf = {"stripe_plans": "price_starter=starter prod_pro=pro, price_gone=no-such-plan",
            "bad_requests_per_minute": "1000000"}

    @classmethod
    def setUpClass(cls):
        cls.conf = {**cls.conf, "stripe_secret_file": str(stores().secret("stripe", SECRET))}
        super().setUpClass()

    def setUp(self):
        self.now = int(self.clock.now()) - 1000
        self.n = f"{type(self).__name__}{next(serial)}"
        self.sub, self.customer = f"sub_{self.n}", f"cus_{self.n}"

    def send(self, e, secret=SECRET, t=None, header=None, **headers):
        body = e if isinstance(e, bytes) else json.dumps(e).encode()
        t = int(self.clock.now()) if t is None else t
        if header is None:
            header = sign(body, t, secret)
        h = {"Content-Type": "application/json", "Stripe-Signature": header,
             **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.gate.request("POST", "/v1/billing/stripe", body,
                                 headers={k: v for k, v in h.items() if v is not None})

    def take(self, e, outcome):
        r = self.send(e)
        self.assertEqual((r.status, r.json()), (200, {"received": True, "outcome": outcome}), r)

    def subscription(self, word, at, price="price_starter", product="prod_x", status="active",
                     sub=None, customer=None, metadata=None):
        return event(f"customer.subscription.{word}", self.now + at, id=sub or self.sub,
                     object="subscription", status=status, customer=customer or self.customer,
                     metadata=metadata or {},
                     items={"object": "list", "data": [{
                         "id": "si_1", "object": "subscription_item",
                         "price": {"id": price, "object": "price", "product": product}}]})

    def checkout(self, project, at=0, sub=None, customer=None, metadata=None, **more):
        return event("checkout.session.completed", self.now + at, id=f"cs_{next(serial)}",
                     object="checkout.session", mode="subscription", payment_status="paid",
                     subscription=sub or self.sub, customer=customer or self.customer,
                     client_reference_id=project, metadata=metadata or {}, **more)

    def plan(self, project):
        return self.gate.stores.sql(
            f"SELECT plan_id FROM watchllm.project WHERE id = '{project}'")[0][0]


class Billing(BillingCase):
    def test_a_life(self):
        project, key = self.gate.project("free")
        self.take(self.checkout(project), "unchanged")
        self.take(self.subscription("created", 1), "applied")
        self.assertEqual(self.plan(project), "starter")
        # the workers know at once
        usage = self.gate.request("GET", "/v1/usage", key=key).json()
        self.assertEqual((usage["plan"], usage["rateLimit"]["limit"]), ("starter", 50))
        self.take(self.subscription("updated", 10, "price_other", "prod_pro"), "applied")
        self.assertEqual(self.plan(project), "pro")
        self.take(self.subscription("updated", 20, "price_other", "prod_pro", "past_due"),
                  "unchanged")
        self.assertEqual(self.plan(project), "pro")
        self.take(self.subscription("updated", 30, "price_other", "prod_pro", "unpaid"), "applied")
        self.assertEqual(self.plan(project), "free")
        self.take(self.subscription("updated", 40, "price_other", "prod_pro"), "applied")
        self.take(self.subscription("deleted", 50, "price_other", "prod_pro", "canceled"),
                  "applied")
        self.assertEqual(self.plan(project), "free")
        actors = [r[0] for r in self.gate.stores.sql(
            f"SELECT DISTINCT split_part(actor, ':', 1) FROM watchllm.audit_log"
            f" WHERE project_id = '{project}' AND action = 'project.update'")]
        self.assertEqual(actors, ["stripe"])

    def test_out_of_order(self):
        project, _ = self.gate.project("free")
        late = self.subscription("updated", 5)
        self.take(self.subscription("updated", 10, "price_x", "prod_pro"), "unlinked")
        self.take(late, "stale")
        self.take(self.subscription("created", 1), "stale")
        # the checkout comes last
        self.take(self.checkout(project), "applied")
        self.assertEqual(self.plan(project), "pro")
        # within a second: created before updated before deleted
        self.take(self.subscription("deleted", 20, status="canceled"), "applied")
        self.take(self.subscription("updated", 20), "stale")
        self.take(self.subscription("updated", 99), "stale")
        self.assertEqual(self.plan(project), "free")

    def test_once(self):
        project, _ = self.gate.project("free")
        self.take(self.checkout(project), "unchanged")
        one = self.subscription("created", 1)
        replies = at_once(8, lambda _: self.send(one))
        self.assertEqual(sorted(r.json()["outcome"] for r in replies),
                         ["applied"] + ["duplicate"] * 7)
        # with a signature of later, too
        self.gate.stores.sql(f"UPDATE watchllm.project SET plan_id = 'pro' WHERE id = '{project}'")
        self.take(one, "duplicate")
        self.assertEqual(self.plan(project), "pro")
        # a renewal leaves alone what an operator has set
        self.take(self.subscription("updated", 100), "unchanged")
        self.assertEqual(self.plan(project), "pro")

    def test_two_subscriptions(self):
        project, _ = self.gate.project("free")
        meta = {"watchllm_project": project}
        self.take(self.subscription("created", 1, metadata=meta), "applied")
        second = f"sub_b{self.n}"
        self.take(self.subscription("created", 2, "p", "prod_pro", sub=second, metadata=meta),
                  "applied")
        self.assertEqual(self.plan(project), "pro")
        self.take(self.subscription("deleted", 3, sub=second, metadata=meta), "applied")
        self.assertEqual(self.plan(project), "starter")
        # metadata, which only the operator writes, move it to another project
        other, _ = self.gate.project("free")
        self.take(self.subscription("updated", 4, metadata={"watchllm_project": other}), "applied")
        self.assertEqual((self.plan(project), self.plan(other)), ("free", "starter"))

    def test_no_plan(self):
        project, _ = self.gate.project("free")
        meta = {"watchllm_project": project}
        self.take(self.subscription("created", 1, "price_unknown", metadata=meta), "unmapped")
        self.assertEqual(self.plan(project), "free")
        # a mapping to a plan that is not there yet: later, and nothing is lost
        gone = self.subscription("updated", 2, "price_gone", metadata=meta)
        self.error(self.send(gone), 503, "unavailable")
        self.gate.stores.plan("no-such-plan")
        self.take(gone, "applied")
        self.assertEqual(self.plan(project), "no-such-plan")

    def test_what_customers_write(self):
        """client_reference_id may come from the address of a payment link."""
        victim, _ = self.gate.project("pro")            # raised by the operator
        self.take(self.checkout(victim), "refused")
        self.take(self.subscription("created", 1), "unlinked")
        self.take(self.subscription("deleted", 2, status="canceled"), "unlinked")
        self.assertEqual(self.plan(victim), "pro")
        payer, _ = self.gate.project("free")            # paid for by somebody
        paid, payer_customer = f"sub_p{self.n}", f"cus_p{self.n}"
        self.take(self.checkout(payer, sub=paid, customer=payer_customer), "unchanged")
        self.take(self.subscription("created", 1, "p", "prod_pro", sub=paid,
                                    customer=payer_customer), "applied")
        mine = f"sub_m{self.n}"
        self.take(self.checkout(payer, sub=mine, customer="cus_evil"), "refused")
        self.take(self.subscription("created", 2, sub=mine, customer="cus_evil"), "unlinked")
        self.take(self.subscription("deleted", 3, sub=mine, customer="cus_evil"), "unlinked")
        self.assertEqual(self.plan(payer), "pro")
        # nor does a second checkout of the same subscription move it
        other, _ = self.gate.project("free")
        self.take(self.checkout(other, sub=paid, customer=payer_customer), "refused")
        self.assertEqual((self.plan(payer), self.plan(other)), ("pro", "free"))
        for project in ("nosuch", "'; DROP TABLE watchllm.project; --", "", None, "x" * 500, 7):
            self.take(self.checkout(project, sub=f"sub_{next(serial)}"), "unlinked")

    def test_ignored(self):
        for type_ in ("invoice.paid", "customer.created", "payment_intent.succeeded", "x"):
            self.take(event(type_, self.now, id="x"), "ignored")
        once = self.checkout("x")
        once["data"]["object"].update(mode="payment", subscription=None)
        self.take(once, "ignored")


class Hostile(BillingCase):
    def refused(self, e, **kw):
        r = self.send(e, **kw)
        error = self.error(r, 400, "invalid_request")
        self.assertEqual(error["param"], "Stripe-Signature")
        self.assertNotIn(SECRET, self.gate.log.read_text())

    def test_signatures(self):
        project, _ = self.gate.project("free")
        self.take(self.checkout(project), "unchanged")
        e = self.subscription("created", 1)
        body = json.dumps(e).encode()
        now = int(self.clock.now())
        good = sign(body, now)
        mac = good.partition("v1=")[2]
        for header in ("", "x", "t=", f"t={now}", f"v1={mac}", f"t={now},v0={mac}",
                       f"t={now + 1},v1={mac}", f"t={now},v1={mac[:-1]}", f"t={now},v1={mac}0",
                       f"t={now},v1={'0' * 64}", f"t={now},t={now},v1={mac}",
                       f"t=-{now},v1={mac}", f"t={now}.0,v1={mac}", f"t={'9' * 30},v1={mac}",
                       f"t={now},V1={mac}", f"t={now},v1={mac}".replace("=", ":"),
                       ",".join([f"t={now}", *["v1=" + "0" * 64] * 8, f"v1={mac}"])):
            self.refused(e, header=header)
        r = self.gate.request("POST", "/v1/billing/stripe", body)
        self.error(r, 400, "invalid_request")
        self.refused(e, secret="whsec_another")
        self.refused(e, secret="")
        self.refused(e, t=now - 310)
        self.refused(e, t=now + 310)
        self.refused(body + b" ", header=good)
        self.refused(body.replace(b"active", b"activE"), header=good)
        self.assertEqual(self.plan(project), "free")
        # a secret that is being changed signs twice; the order does not matter
        both = f"t={now},v1={'0' * 64},v0=x,v1={mac}"
        r = self.send(e, header=both)
        self.assertEqual(r.json()["outcome"], "applied")

    def test_bodies(self):
        for body, status, code in (
                (b"", 400, "invalid_json"), (b"{", 400, "invalid_json"),
                (b"[]", 400, "invalid_request"), (b"{}", 400, "invalid_request"),
                (b'{"id":"evt_1"}', 400, "invalid_request"),
                (b'{"id":"evt_1","type":"checkout.session.completed","created":"now"}', 400,
                 "invalid_request"),
                (b'{"id":"evt_1","type":"checkout.session.completed","created":1}', 400,
                 "invalid_request"),
                (b'{"id":"evt 1","type":"checkout.session.completed","created":1}', 400,
                 "invalid_request"),
                (b'{"id":"evt_1","type":"customer.subscription.created","created":1e30,'
                 b'"data":{"object":{"id":"sub_1","status":"active"}}}', 400, "invalid_request"),
                (b'{"id":"evt_1","type":"customer.subscription.created","created":1,'
                 b'"data":{"object":{"id":["sub_1"],"status":"active"}}}', 400,
                 "invalid_request"),
                (b'"' + b"x" * 300000 + b'"', 413, "request_too_large")):
            self.error(self.send(body), status, code)
        odd = self.subscription("created", 1)
        odd["data"]["object"]["items"] = {"data": [None, 1, {}, {"price": None},
                                                   {"price": {"id": 5, "product": {}}}]}
        self.take(odd, "unlinked")
        self.assertEqual(self.gate.request("GET", "/v1/billing/stripe").status, 405)


class ByCgi(BillingCase):
    mount = "cgi"

    def test_taken(self):
        project, _ = self.gate.project("free")
        self.take(self.subscription("created", 1, metadata={"watchllm_project": project}),
                  "applied")
        self.assertEqual(self.plan(project), "starter")


class Off(GateCase):
    def test_no_such_route(self):
        body = b'{"id":"evt_1","type":"x"}'
        for header in (None, sign(body, int(self.clock.now()), "")):
            r = self.gate.request("POST", "/v1/billing/stripe", body,
                                  headers={} if header is None else {"Stripe-Signature": header})
            self.error(r, 404, "not_found")


if __name__ == "__main__":
    unittest.main()
