//! Walks through a whole statement.
//!
//! Every variant and field of the grammar is spelled out, so a version of the parser that adds one does not compile
//! before somebody has decided whether a name can stand there.

use turso_parser::ast::{
    AlterTable, AlterTableBody, ColumnConstraint, ColumnDefinition, CommonTableExpr, CompoundSelect, CreateTableBody,
    CreateVirtualTable, Expr, ForeignKeyClause, FromClause, GroupBy, Indexed, InsertBody, JoinConstraint,
    JoinedSelectTable, Limit, Name, NamedColumnConstraint, NamedTableConstraint, OneSelect, QualifiedName, ResolveType,
    ResultColumn, Select, SelectBody, SelectTable, Set, SortedColumn, Stmt, TableConstraint, TriggerCmd, Type,
    TypeSize, Update, Upsert, UpsertDo, UpsertIndex, WindowDef, With,
};

/// What a walk meets.
pub(super) enum Part<'a> {
    /// A name where SQLite looks for a table, a view or a table-valued function; what it is called with.
    Table(&'a Name, &'a [Box<Expr>]),
    /// The name of another object of the schema: an index, a trigger, a new table.
    Object(&'a Name),
    /// A function that is called.
    Function(&'a Name),
    /// What happens when a constraint fails, or what RAISE does.
    Answer(ResolveType),
    /// An argument of a virtual table's module, as it was written.
    ModuleArgument(&'a str),
    /// An INSERT with ON CONFLICT … DO.
    Upsert,
}

/// Walks through `statement`. `false` when it is of a kind that SQLite does not have: then not all of it was seen.
pub(super) fn statement<'a>(statement: &'a Stmt, seen: &mut dyn FnMut(Part<'a>)) -> bool {
    let mut walk = Walk { seen, complete: true };
    walk.statement(statement);
    walk.complete
}

pub(super) struct Walk<'a, 'seen> {
    pub(super) seen: &'seen mut dyn FnMut(Part<'a>),
    pub(super) complete: bool,
}

impl<'a> Walk<'a, '_> {
    fn statement(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::AlterTable(AlterTable { name, body }) => self.alter(name, body),
            Stmt::Analyze { name } | Stmt::Reindex { name } => self.tables(name),
            Stmt::Attach { expr, db_name, key } => self.exprs([expr, db_name].into_iter().chain(key)),
            Stmt::CreateIndex {
                unique: _,
                if_not_exists: _,
                idx_name,
                tbl_name,
                using,
                columns,
                with_clause,
                where_clause,
            } => {
                self.object(idx_name);
                (self.seen)(Part::Table(tbl_name, &[]));
                self.complete &= using.is_none() && with_clause.is_empty();
                self.sorted(columns);
                self.exprs(where_clause);
            }
            Stmt::CreateTable { temporary: _, if_not_exists: _, tbl_name, body } => {
                self.object(tbl_name);
                self.table_body(body);
            }
            Stmt::CreateTrigger {
                temporary: _,
                if_not_exists: _,
                trigger_name,
                time: _,
                event: _,
                tbl_name,
                for_each_row: _,
                when_clause,
                commands,
            } => {
                self.object(trigger_name);
                self.table(tbl_name, &[]);
                self.exprs(when_clause);
                commands.iter().for_each(|command| self.command(command));
            }
            Stmt::CreateView { temporary: _, if_not_exists: _, view_name, columns: _, select } => {
                self.object(view_name);
                self.select(select);
            }
            Stmt::CreateVirtualTable(CreateVirtualTable { if_not_exists: _, tbl_name, module_name: _, args }) => {
                self.object(tbl_name);
                args.iter().for_each(|argument| (self.seen)(Part::ModuleArgument(argument)));
            }
            Stmt::Delete { with, tbl_name, indexed, where_clause, returning } => {
                self.with(with);
                self.table(tbl_name, &[]);
                self.indexed(indexed);
                self.exprs(where_clause);
                self.columns(returning);
            }
            Stmt::Detach { name } => self.expr(name),
            Stmt::DropIndex { if_exists: _, idx_name: name }
            | Stmt::DropTrigger { if_exists: _, trigger_name: name }
            | Stmt::DropTable { if_exists: _, tbl_name: name }
            | Stmt::DropView { if_exists: _, view_name: name } => self.table(name, &[]),
            Stmt::Insert { with, or_conflict, tbl_name, columns: _, body, returning } => {
                self.with(with);
                self.answer(or_conflict);
                self.table(tbl_name, &[]);
                match body {
                    InsertBody::Select(select, upsert) => {
                        self.select(select);
                        self.upsert(upsert);
                    }
                    InsertBody::DefaultValues => {}
                }
                self.columns(returning);
            }
            Stmt::Select(select) => self.select(select),
            Stmt::Update(Update { with, or_conflict, tbl_name, indexed, sets, from, where_clause, returning }) => {
                self.with(with);
                self.answer(or_conflict);
                self.table(tbl_name, &[]);
                self.indexed(indexed);
                self.sets(sets);
                from.iter().for_each(|from| self.from(from));
                self.exprs(where_clause);
                self.columns(returning);
            }
            Stmt::Vacuum { name: _, into } => self.exprs(into),
            Stmt::Begin { typ: _, name: _ }
            | Stmt::Commit { name: _ }
            | Stmt::Pragma { name: _, body: _ }
            | Stmt::Release { name: _ }
            | Stmt::Rollback { tx_name: _, savepoint_name: _ }
            | Stmt::Savepoint { name: _ } => {}
            Stmt::CreateMaterializedView { .. }
            | Stmt::CreateType { .. }
            | Stmt::CreateDomain { .. }
            | Stmt::DropType { .. }
            | Stmt::DropDomain { .. }
            | Stmt::Optimize { .. }
            | Stmt::CreateSequence { .. }
            | Stmt::DropSequence { .. } => self.complete = false,
        }
    }

    fn alter(&mut self, name: &'a QualifiedName, body: &'a AlterTableBody) {
        self.table(name, &[]);
        match body {
            AlterTableBody::RenameTo(new) => (self.seen)(Part::Object(new)),
            AlterTableBody::AddColumn(column) => self.column(column),
            AlterTableBody::AlterColumn { old: _, new } => self.column(new),
            AlterTableBody::RenameColumn { old: _, new: _ } | AlterTableBody::DropColumn(_) => {}
        }
    }

    fn table_body(&mut self, body: &'a CreateTableBody) {
        match body {
            CreateTableBody::ColumnsAndConstraints { columns, constraints, options: _ } => {
                columns.iter().for_each(|column| self.column(column));
                for NamedTableConstraint { name: _, constraint } in constraints {
                    self.table_constraint(constraint);
                }
            }
            CreateTableBody::AsSelect(select) => self.select(select),
        }
    }

    fn column(&mut self, ColumnDefinition { col_name: _, col_type, constraints }: &'a ColumnDefinition) {
        self.data_type(col_type.as_ref());
        for NamedColumnConstraint { name: _, constraint } in constraints {
            match constraint {
                ColumnConstraint::PrimaryKey { order: _, conflict_clause, auto_increment: _ }
                | ColumnConstraint::NotNull { nullable: _, conflict_clause }
                | ColumnConstraint::Unique(conflict_clause) => self.answer(conflict_clause),
                ColumnConstraint::Check { expr, source: _ }
                | ColumnConstraint::Default(expr)
                | ColumnConstraint::Generated { generated_always: _, expr, typ: _ } => self.expr(expr),
                ColumnConstraint::Collate { collation_name: _ } => {}
                ColumnConstraint::ForeignKey { clause, defer_clause: _ } => self.references(clause),
            }
        }
    }

    fn table_constraint(&mut self, constraint: &'a TableConstraint) {
        match constraint {
            TableConstraint::PrimaryKey { columns, auto_increment: _, conflict_clause }
            | TableConstraint::Unique { columns, conflict_clause } => {
                self.sorted(columns);
                self.answer(conflict_clause);
            }
            TableConstraint::Check { expr, source: _ } => self.expr(expr),
            TableConstraint::ForeignKey { columns: _, clause, defer_clause: _ } => self.references(clause),
        }
    }

    fn references(&mut self, ForeignKeyClause { tbl_name, columns: _, args: _ }: &'a ForeignKeyClause) {
        (self.seen)(Part::Table(tbl_name, &[]));
    }

    fn command(&mut self, command: &'a TriggerCmd) {
        match command {
            TriggerCmd::Update { or_conflict, tbl_name, sets, from, where_clause } => {
                self.answer(or_conflict);
                (self.seen)(Part::Table(tbl_name, &[]));
                self.sets(sets);
                from.iter().for_each(|from| self.from(from));
                self.exprs(where_clause);
            }
            TriggerCmd::Insert { or_conflict, tbl_name, col_names: _, select, upsert, returning } => {
                self.answer(or_conflict);
                (self.seen)(Part::Table(tbl_name, &[]));
                self.select(select);
                self.upsert(upsert);
                self.columns(returning);
            }
            TriggerCmd::Delete { tbl_name, where_clause } => {
                (self.seen)(Part::Table(tbl_name, &[]));
                self.exprs(where_clause);
            }
            TriggerCmd::Select(select) => self.select(select),
        }
    }

    fn upsert(&mut self, upsert: &'a Option<Box<Upsert>>) {
        let Some(upsert) = upsert else { return };
        let Upsert { index, do_clause, next } = &**upsert;
        (self.seen)(Part::Upsert);
        if let Some(UpsertIndex { targets, where_clause }) = index {
            self.sorted(targets);
            self.exprs(where_clause);
        }
        match do_clause {
            UpsertDo::Set { sets, where_clause } => {
                self.sets(sets);
                self.exprs(where_clause);
            }
            UpsertDo::Nothing => {}
        }
        self.upsert(next);
    }

    fn sets(&mut self, sets: &'a [Set]) {
        for Set { col_names: _, expr } in sets {
            self.expr(expr);
        }
    }

    fn with(&mut self, with: &'a Option<With>) {
        let Some(With { recursive: _, ctes }) = with else { return };
        for CommonTableExpr { tbl_name: _, columns: _, materialized: _, select } in ctes {
            self.select(select);
        }
    }

    pub(super) fn select(&mut self, Select { with, body, order_by, limit }: &'a Select) {
        self.with(with);
        let SelectBody { select, compounds } = body;
        self.one_select(select);
        for CompoundSelect { operator: _, select } in compounds {
            self.one_select(select);
        }
        self.sorted(order_by);
        if let Some(Limit { expr, offset }) = limit {
            self.expr(expr);
            self.exprs(offset);
        }
    }

    fn one_select(&mut self, select: &'a OneSelect) {
        match select {
            OneSelect::Select { distinctness: _, columns, from, where_clause, group_by, window_clause } => {
                self.columns(columns);
                from.iter().for_each(|from| self.from(from));
                self.exprs(where_clause);
                if let Some(GroupBy { exprs, having }) = group_by {
                    self.exprs(exprs);
                    self.exprs(having);
                }
                for WindowDef { name: _, window } in window_clause {
                    self.window(window);
                }
            }
            OneSelect::Values(rows) => rows.iter().for_each(|row| self.exprs(row)),
        }
    }

    fn from(&mut self, FromClause { select, joins }: &'a FromClause) {
        self.source(select);
        for JoinedSelectTable { operator: _, table, constraint } in joins {
            self.source(table);
            match constraint {
                Some(JoinConstraint::On(expr)) => self.expr(expr),
                Some(JoinConstraint::Using(_)) | None => {}
            }
        }
    }

    fn source(&mut self, source: &'a SelectTable) {
        match source {
            SelectTable::Table(name, _, indexed) => {
                self.table(name, &[]);
                self.indexed(indexed);
            }
            SelectTable::TableCall(name, arguments, _) => self.table(name, arguments),
            SelectTable::Select(select, _) => self.select(select),
            SelectTable::Sub(from, _) => self.from(from),
        }
    }

    fn columns(&mut self, columns: &'a [ResultColumn]) {
        for column in columns {
            match column {
                ResultColumn::Expr(expr, _) => self.expr(expr),
                ResultColumn::Star | ResultColumn::TableStar(_) => {}
            }
        }
    }

    fn indexed(&mut self, indexed: &'a Option<Indexed>) {
        match indexed {
            Some(Indexed::IndexedBy(name)) => (self.seen)(Part::Object(name)),
            Some(Indexed::NotIndexed) | None => {}
        }
    }

    pub(super) fn table(
        &mut self,
        QualifiedName { db_name: _, name, alias: _ }: &'a QualifiedName,
        arguments: &'a [Box<Expr>],
    ) {
        (self.seen)(Part::Table(name, arguments));
        self.exprs(arguments);
    }

    fn tables(&mut self, name: &'a Option<QualifiedName>) {
        name.iter().for_each(|name| self.table(name, &[]));
    }

    fn object(&mut self, QualifiedName { db_name: _, name, alias: _ }: &'a QualifiedName) {
        (self.seen)(Part::Object(name));
    }

    fn answer(&mut self, answer: &Option<ResolveType>) {
        answer.iter().for_each(|answer| (self.seen)(Part::Answer(*answer)));
    }

    pub(super) fn data_type(&mut self, data_type: Option<&'a Type>) {
        let Some(Type { name: _, size, array_dimensions: _ }) = data_type else { return };
        match size {
            Some(TypeSize::MaxSize(size)) => self.expr(size),
            Some(TypeSize::TypeSize(precision, scale)) => self.exprs([precision, scale]),
            None => {}
        }
    }

    pub(super) fn sorted(&mut self, terms: &'a [SortedColumn]) {
        for SortedColumn { expr, order: _, nulls: _ } in terms {
            self.expr(expr);
        }
    }
}
