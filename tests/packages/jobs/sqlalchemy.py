"""Mapped classes over SQLite, a function in Python, events."""

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")


def work() -> object:
    engine = sa.create_engine("sqlite://")

    @event.listens_for(engine, "connect")
    def on_connect(connection, _: object) -> None:
        connection.create_function("twice", 1, lambda x: x * 2)

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for i in range(50):
            session.add(Author(name=f"n{i}", books=[Book(title=f"t{i}-{j}") for j in range(3)]))
        session.commit()
        query = sa.select(Author).join(Book).where(Book.title == "t7-1")
        name = session.scalars(query).one().name
        twice = session.scalar(sa.text("select twice(count(*)) from books"))
    engine.dispose()
    return name, twice
