"""A simulated person in a real browser: clicks and keys, and nothing but what the page shows."""

from ia_gym.domains.question_forms import find_form


class BrowserPerson:
    """Works on the pages of a tab as a person would.

    Args:
        tab: a page of Playwright's.
        book: the questions, to know which form makes a sub-question.
        way: how she works, see ``ia_gym.experiments.human.simulated_people``.
    """

    def __init__(self, tab, book, way):
        self.tab = tab
        self.book = book
        self.way = way

    def enter(self, address, name):
        """Say who she is."""
        self.tab.goto(address)
        self.tab.get_by_label("Your name").fill(name)
        self.tab.get_by_role("button", name="Begin").click()

    def answer_question(self, question, view):
        """Work on ``question (Lq,)``, which the page shows, about the context of ``view``.

        By menu, with a click in the picture where a name stands there.
        """
        work, said = self.way.work(question), None
        self.way.forms = view.forms
        while True:
            try:
                asked = work.send(said)
            except StopIteration as end:
                return self._answer(end.value)
            form, chosen = find_form(view.forms, asked)
            self._ask(form, chosen, view)
            said = self._read_answer(view)

    def _ask(self, form, chosen, view):
        fields = self.tab.locator("form.ask").nth(form)
        fields.locator("select").first.focus()
        names = self.tab.locator(".context .vertex")
        for i, choice in enumerate(chosen):
            menu = view.forms[form].menus[i]
            if menu.clickable and names.count():
                self.tab.locator(f'.vertex[data-name="{menu.texts[choice]}"] text').first.click()
            else:
                fields.locator(f"[name=choice{i}]").select_option(str(choice))
        fields.get_by_role("button", name="Ask").click()

    def _read_answer(self, view):
        """The answer to the sub-question that was asked last, from its words on the page."""
        text = self.tab.locator(".steps li strong").last.inner_text()
        if text in ("I don’t know", "no"):
            return 0
        texts = map(view.domain.answer_text, range(view.domain.n_symbols))
        return next(symbol for symbol, words in enumerate(texts) if words == text)

    def _answer(self, answer):
        if answer == 0:
            self.tab.get_by_role("button", name="I don’t know").click()
        else:
            self.tab.locator("#answer-menu").select_option(str(answer))
            self.tab.get_by_role("button", name="Answer", exact=True).click()

    def work_by_keyboard(self, question, view):
        """The same with keys alone, without the mouse."""
        work, said = self.way.work(question), None
        while True:
            try:
                asked = work.send(said)
            except StopIteration as end:
                answers = [0, *(symbol for symbol, _ in view.list_answers(question))]
                self.tab.evaluate("document.activeElement.blur()")
                self.tab.keyboard.press("a")
                self._choose(answers.index(end.value))
                self.tab.keyboard.press("Tab")
                self.tab.keyboard.press("Enter")
                return
            form, chosen = find_form(view.forms, asked)
            steps = self.tab.locator(".steps li:not(.none)").count()
            self.tab.evaluate("document.activeElement.blur()")
            self.tab.keyboard.press(str(form + 1))
            for choice in chosen:
                self._choose(choice + 1)
                self.tab.keyboard.press("Tab")
            self.tab.keyboard.press("Enter")
            self.tab.locator(".steps li:not(.none)").nth(steps).wait_for()
            said = self._read_answer(view)

    def _choose(self, index):
        for _ in range(index):
            self.tab.keyboard.press("ArrowDown")
